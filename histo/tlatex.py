r"""ROOT's TLatex, in which labels are written, as matplotlib's mathtext.

Only runs of mathematics are set as such: ``p_{T} [GeV]`` becomes ``$p_{\mathrm{T}}$ [GeV]``.
"""

from __future__ import annotations

import re

_GREEK = (
    "varepsilon vartheta varphi varomega alpha beta gamma delta epsilon zeta eta theta iota kappa "
    "lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi "
    "Sigma Upsilon Phi Psi Omega"
)
_SYMBOLS = {
    "rightarrow": r"\rightarrow",
    "leftarrow": r"\leftarrow",
    "geq": r"\geq",
    "leq": r"\leq",
    "neq": r"\neq",
    "approx": r"\approx",
    "times": r"\times",
    "pm": r"\pm",
    "infty": r"\infty",
    "circ": r"\circ",
    "sum": r"\sum",
    "ell": r"\ell",
    "upoint": r"\cdot",
}
_COMMANDS = {name: f"\\{name}" for name in _GREEK.split()} | _SYMBOLS
_FUNCTIONS = {"sqrt": r"\sqrt", "bar": r"\bar", "hat": r"\hat", "tilde": r"\tilde", "vec": r"\vec"}
_FONTS = {"it": r"\mathit", "bf": r"\mathbf", "font": r"\mathrm", "rm": r"\mathrm"}

# Longest first: as in ROOT, "#DeltaR" is a Delta and an R, but "#theta" no "#thet" and a.
_COMMAND = re.compile(
    rf"#({'|'.join(sorted(_COMMANDS, key=len, reverse=True))})"
    rf"|#({'|'.join(_FUNCTIONS | _FONTS)})(?=\{{[^{{}}]+\}})"
)
# A lone "a_b" stays text, unlike in ROOT: it is the name of a field or a selection.
_SCRIPT = re.compile(r"[_^](?=\{[^{}])|\^(?=[\d*+-])")
# Between terms a minus is meant, in words such as "L1-matched" a hyphen.
_MINUS = re.compile(r"(?<= )-(?= )|(?<=[})])-(?=[\w#(])")
_ESCAPED = {" ": r"\ ", "$": r"\$", "%": r"\%", "#": r"\#", "&": r"\&", "{": r"\{", "}": r"\}"}
_WORD = re.compile(r"[A-Za-z]+|[0-9]+")


def to_mathtext(text: str) -> str:
    r"""Convert a label.

    Parameters
    ----------
    text
        TLatex, such as ``#DeltaR(e, #gamma)`` or ``(p_{T}^{L1} - p_{T}^{gen}) / p_{T}^{gen}``. What
        is no known command, such as the ``#`` of ``# of events``, stands for itself.

    Returns
    -------
    str
        What matplotlib can draw; braces that make no sense in TLatex may make none here either.

    Examples
    --------
    >>> to_mathtext("|#eta| of p_{T}")
    '|$\\eta$| of $\\mathit{p}_{\\mathrm{T}}$'
    """
    text = _MINUS.sub("\u2212", text.strip())
    pieces = []
    position = 0
    brackets = 0
    while position < len(text):
        end = _end_of_term(text, position)
        if end > position:
            # units are upright: the c of [GeV/c^{2}], but not the one of c_{i}
            pieces.append(f"${_math(text[position:end], upright=brackets > 0)}$")
        else:
            word = _WORD.match(text, position)
            end = word.end() if word else position + 1
            pieces.append(text[position:end].replace("$", r"\$"))
            brackets += {"[": 1, "]": -1}.get(text[position], 0)
        position = end
    return "".join(pieces)


def _end_of_term(text: str, start: int) -> int:
    """Return where a command or a word with scripts ends, and ``start`` if there is none."""
    command = _COMMAND.match(text, start)
    word = _WORD.match(text, start)
    if command:
        first = command.end()
        first = text.index("}", first) + 1 if command[2] else first
    elif word:
        first = word.end()
    else:
        first = start + (text[start] in ")]|")
    end = first
    seen: set[str] = set()
    while (script := _SCRIPT.match(text, end)) and script[0] not in seen:
        after = script.end()
        end = _end_of_group(text, after) if text[after] == "{" else after + 1
        seen.add(script[0])
    return end if command or seen else start


def _end_of_group(text: str, start: int) -> int:
    """Return the place after the brace that closes the one at ``start``, or the end."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return len(text)


def _math(text: str, *, upright: bool) -> str:
    """Translate what stands inside the dollars; words are upright, single letters italic."""
    pieces = [""]
    styles = ["upright" if upright or "^{-" in text else "italic"]
    position = 0
    while position < len(text):
        character = text[position]
        end = position + 1
        if command := _COMMAND.match(text, position):
            end = command.end()
            # a space ends the name of a command: \Delta R
            pieces.append({**_COMMANDS, **_FUNCTIONS, **_FONTS}[command[1] or command[2]])
            if command[1] and text[end : end + 1].isalpha():
                pieces.append(" ")
        elif word := _WORD.match(text, position):
            end = word.end()
            style = styles[-1]
            if style == "italic" and (len(word[0]) > 1 or word[0].isdigit()):
                style = "upright"
            font = {"italic": r"\mathit{%s}", "upright": r"\mathrm{%s}", "set": "%s"}[style]
            pieces.append(font % word[0])
        elif character == "{":
            before = pieces[-1]
            inner = "upright" if before in {"_", "^"} else styles[-1]
            styles.append("set" if before in _FONTS.values() else inner)
            pieces.append("{")
        elif character == "}" and len(styles) > 1:
            styles.pop()
            pieces.append("}")
        else:
            pieces.append(_ESCAPED.get(character, character))
        position = end
    return "".join(pieces) + "}" * (len(styles) - 1)
