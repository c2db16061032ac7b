"""The same work in other tools: each a script that runs alone and writes what it found."""
