/* The innermost loops, see schemas/loops.py: what each of them is for, and what does it without them.
 *
 * All take buffers of NumPy's arrays and refuse what would lead outside of them. Nothing is kept
 * between calls.
 */

#include "_loops.h"

static const char *const DAMAGED = "codes that end too early, or that stand for nothing";
static const char *const OUTSIDE = "a cell outside of the table";

/* -- counting ----------------------------------------------------------------------------------- */

typedef struct {
    int64_t *counts;
    uint64_t size;
} Table;

/* Count an entry in a cell. Return 0 if there is no such cell. */
INLINE int count_one(Table table, uint32_t cell)
{
    if (cell >= table.size)
        return 0;
    table.counts[cell]++;
    return 1;
}

static PyObject *count(PyObject *module, PyObject *arguments)
{
    Py_buffer table, cells, starts;
    Py_buffer *all[] = {&table, &cells, &starts};
    if (!PyArg_ParseTuple(arguments, "w*y*z*", &table, &cells, &starts))
        return NULL;
    if (!aligned(&table, 8) || !aligned(&cells, 4) || !aligned(&starts, 4) ||
        (starts.buf && starts.len != cells.len))
        return finish(UNLIKE, all, 3);
    Table to = {table.buf, items(&table, 8)};
    const uint32_t *cell = cells.buf, *start = starts.buf;
    size_t number = items(&cells, 4), index = 0;
    BEGIN_WORK(number);
    while (index < number && count_one(to, cell[index] + (start ? start[index] : 0)))
        index++;
    END_WORK();
    return finish(index < number ? OUTSIDE : NULL, all, 3);
}

/* Count values in bins of equal width; those below are in cell 0, those above and NaN in the last.
 *
 * The arithmetic is that of boost-histogram, step by step, so that edges round alike. */
#define COUNT_VALUES(name, type)                                                                  \
    static size_t name(Table table, const void *values, size_t number, double start,              \
                       double width, int32_t bins, const uint32_t *starts)                        \
    {                                                                                             \
        const type *value = values;                                                               \
        for (size_t index = 0; index < number; index++) {                                         \
            double place = ((double)value[index] - start) / width * bins;                         \
            uint32_t cell = place < bins ? (place < 0 ? 0 : (uint32_t)(int32_t)place + 1)         \
                                         : (uint32_t)bins + 1;                                    \
            if (!count_one(table, cell + (starts ? starts[index] : 0)))                           \
                return index;                                                                     \
        }                                                                                         \
        return number;                                                                            \
    }
COUNT_VALUES(count32, float)
COUNT_VALUES(count64, double)

static PyObject *count_values(PyObject *module, PyObject *arguments)
{
    Py_buffer table, values, starts;
    Py_buffer *all[] = {&table, &values, &starts};
    unsigned size;
    int bins;
    double start, width;
    if (!PyArg_ParseTuple(arguments, "w*y*Iddiz*", &table, &values, &size, &start, &width, &bins,
                          &starts))
        return NULL;
    if ((size != 4 && size != 8) || bins < 1 || !aligned(&table, 8) || !aligned(&values, size) ||
        !aligned(&starts, 4) || (starts.buf && items(&starts, 4) != items(&values, size)))
        return finish(UNLIKE, all, 3);
    Table to = {table.buf, items(&table, 8)};
    size_t number = items(&values, size), counted;
    BEGIN_WORK(number);
    counted = (size == 4 ? count32 : count64)(to, values.buf, number, start, width, bins,
                                              starts.buf);
    END_WORK();
    return finish(counted < number ? OUTSIDE : NULL, all, 3);
}

/* -- codes of few bits, in runs of equal ones or one after another ------------------------------ */

/* What is done with each code: it is looked up, and its word is written down, added or counted. */
typedef struct {
    const uint32_t *words;
    uint64_t entries;      /* words, as many as there are codes */
    uint32_t *found;       /* where words are written to */
    uint16_t *bits;        /* where their lowest bits are added to others */
    const uint32_t *start; /* is added to the word before it is counted */
    Table table;
} Use;

enum { WRITE, ADD_BITS, COUNT, COUNT_FROM };

INLINE int use_one(const Use *use, size_t index, uint32_t code, int how)
{
    if (code >= use->entries)
        return 0;
    uint32_t word = use->words[code];
    if (how == COUNT || how == COUNT_FROM)
        return count_one(use->table, how == COUNT ? word : word + use->start[index]);
    if (how == WRITE)
        use->found[index] = word;
    else
        use->bits[index] |= (uint16_t)word;
    return 1;
}

/* Use the codes of packed groups; the compiler knows the width, and with it where each code is. */
INLINE int use_groups(const uint8_t *from, unsigned width, size_t groups, size_t index, Use use,
                      int how)
{
    for (; groups; groups--, from += width, index += GROUP)
        for (unsigned one = 0; one < GROUP; one++) {
            uint64_t word;
            memcpy(&word, from + (one * width >> 3), 8);
            uint32_t code = (word >> (one * width & 7)) & ((UINT64_C(1) << width) - 1);
            if (!use_one(&use, index + one, code, how))
                return 0;
        }
    return 1;
}

/* Use the codes of a packed run, without reading a byte beyond the end of the page. */
INLINE int use_packed(const uint8_t *run, const uint8_t *end, unsigned width, size_t number,
                      size_t first, const Use *use, int how)
{
    size_t there = end - run;
    /* each code is taken from 8 bytes: the last groups of a page have too few behind them */
    size_t groups = there < 8 + width || !width ? 0 : (there - 8) / width;
    if (groups > number / GROUP)
        groups = number / GROUP;
    int right = 1;
    switch (width) {
#define USE(width)                                                                                \
    case width:                                                                                   \
        right = use_groups(run, width, groups, first, *use, how);                                 \
        break;
        EACH_WIDTH(USE)
#undef USE
    default:
        groups = 0;
    }
    for (size_t index = groups * GROUP; index < number && right; index++) {
        uint64_t bit = (uint64_t)index * width, word = 0;
        size_t left = there - (bit >> 3);
        memcpy(&word, run + (bit >> 3), left < 8 ? left : 8);
        uint32_t code = (word >> (bit & 7)) & ((UINT64_C(1) << width) - 1);
        right = use_one(use, first + index, code, how);
    }
    return right;
}

/* Use all codes of a page. Return 0 if there are too few, or one of them stands for nothing. */
INLINE int use_page(const Py_buffer *page, size_t number, const Use *use, int how)
{
    const uint8_t *at = page->buf, *end = at + page->len;
    if (!number)
        return 1;
    if (at == end || *at > 32)
        return 0;
    unsigned width = *at++;
    for (size_t index = 0; index < number;) {
        uint64_t head = 0;
        for (unsigned shift = 0;; shift += 7) {
            if (at == end || shift > 28)
                return 0;
            head |= (uint64_t)(*at & 127) << shift;
            if (*at++ < 128)
                break;
        }
        uint64_t codes = head & 1 ? (head >> 1) * GROUP : head >> 1;
        uint64_t size = head & 1 ? (head >> 1) * width : (width + 7) / 8;
        if (size > (uint64_t)(end - at))
            return 0;
        size_t part = codes < number - index ? (size_t)codes : number - index;
        if (head & 1) {
            if (!use_packed(at, end, width, part, index, use, how))
                return 0;
        }
        else {
            uint32_t code = 0;
            memcpy(&code, at, size);
            for (size_t one = 0; one < part; one++)
                if (!use_one(use, index + one, code, how))
                    return 0;
        }
        at += size;
        index += part;
    }
    return 1;
}

static PyObject *look_up(PyObject *module, PyObject *arguments)
{
    Py_buffer page, words, found;
    Py_buffer *all[] = {&page, &words, &found};
    if (!PyArg_ParseTuple(arguments, "y*y*w*", &page, &words, &found))
        return NULL;
    if (!aligned(&words, 4) || !aligned(&found, 4))
        return finish(UNLIKE, all, 3);
    int right;
    Use use = {.words = words.buf, .entries = items(&words, 4), .found = found.buf};
    BEGIN_WORK(items(&found, 4));
    right = use_page(&page, items(&found, 4), &use, WRITE);
    END_WORK();
    return finish(right ? NULL : DAMAGED, all, 3);
}

static PyObject *add_bits(PyObject *module, PyObject *arguments)
{
    Py_buffer page, words, bits;
    Py_buffer *all[] = {&page, &words, &bits};
    if (!PyArg_ParseTuple(arguments, "y*y*w*", &page, &words, &bits))
        return NULL;
    if (!aligned(&words, 4) || !aligned(&bits, 2))
        return finish(UNLIKE, all, 3);
    int right;
    Use use = {.words = words.buf, .entries = items(&words, 4), .bits = bits.buf};
    BEGIN_WORK(items(&bits, 2));
    right = use_page(&page, items(&bits, 2), &use, ADD_BITS);
    END_WORK();
    return finish(right ? NULL : DAMAGED, all, 3);
}

static PyObject *count_codes(PyObject *module, PyObject *arguments)
{
    Py_buffer table, page, cells, starts;
    Py_buffer *all[] = {&table, &page, &cells, &starts};
    Py_ssize_t number;
    if (!PyArg_ParseTuple(arguments, "w*y*ny*z*", &table, &page, &number, &cells, &starts))
        return NULL;
    if (!aligned(&table, 8) || !aligned(&cells, 4) || !aligned(&starts, 4) ||
        number < 0 || (starts.buf && items(&starts, 4) != (size_t)number))
        return finish(UNLIKE, all, 4);
    int right;
    Use use = {.words = cells.buf, .entries = items(&cells, 4), .start = starts.buf,
               .table = {table.buf, items(&table, 8)}};
    BEGIN_WORK(number);
    right = use.start ? use_page(&page, number, &use, COUNT_FROM)
                      : use_page(&page, number, &use, COUNT);
    END_WORK();
    return finish(right ? NULL : DAMAGED, all, 4);
}

/* -- bytes of values, split by their place in it ------------------------------------------------ */

#define JOIN(name, type)                                                                          \
    static void name(const uint8_t *split, size_t number, void *found)                            \
    {                                                                                             \
        type *to = found;                                                                         \
        for (size_t index = 0; index < number; index++) {                                         \
            type value = 0;                                                                       \
            for (unsigned byte = 0; byte < sizeof(type); byte++)                                  \
                value |= (type)split[byte * number + index] << 8 * byte;                          \
            to[index] = value;                                                                    \
        }                                                                                         \
    }
JOIN(join32, uint32_t)
JOIN(join64, uint64_t)

static PyObject *join_bytes(PyObject *module, PyObject *arguments)
{
    Py_buffer split, found;
    Py_buffer *all[] = {&split, &found};
    unsigned size;
    if (!PyArg_ParseTuple(arguments, "y*Iw*", &split, &size, &found))
        return NULL;
    if ((size != 4 && size != 8) || !aligned(&found, size) || split.len != found.len)
        return finish(UNLIKE, all, 2);
    size_t number = items(&found, size);
    BEGIN_WORK(number);
    (size == 4 ? join32 : join64)(split.buf, number, found.buf);
    END_WORK();
    return finish(NULL, all, 2);
}

static PyMethodDef METHODS[] = {
    {"look_up", look_up, METH_VARARGS, NULL},
    {"count", count, METH_VARARGS, NULL},
    {"add_bits", add_bits, METH_VARARGS, NULL},
    {"count_values", count_values, METH_VARARGS, NULL},
    {"count_codes", count_codes, METH_VARARGS, NULL},
    {"join_bytes", join_bytes, METH_VARARGS, NULL},
    {"open_baskets", open_baskets, METH_VARARGS, NULL},
    {"join_baskets", join_baskets, METH_VARARGS, NULL},
    {"join_nested", join_nested, METH_VARARGS, NULL},
    {"count_slots", count_slots, METH_VARARGS, NULL},
    {"encode_codes", encode_codes, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "schemas._loops", NULL, 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__loops(void) { return PyModuleDef_Init(&MODULE); }
