/* What the files of compiled loops share: how Python hands over arrays, and when its lock is kept. */

#ifndef L1SKIM_LOOPS_H
#define L1SKIM_LOOPS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "written for little-endian machines; all is done by NumPy and Arrow on others"
#endif

/* for loops of which the compiler is to make one for each width */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#define GROUP 8 /* numbers of few bits are packed by as many, which fill whole bytes */

#define EACH_WIDTH(DO)                                                                            \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14)      \
    DO(15) DO(16) DO(17) DO(18) DO(19) DO(20)

/* Python's lock is let go of for what takes longer than to get it back from another thread. */
#define LONG 20000
#define BEGIN_WORK(number) PyThreadState *state = (number) > LONG ? PyEval_SaveThread() : NULL
#define END_WORK()                                                                                \
    do {                                                                                          \
        if (state)                                                                                \
            PyEval_RestoreThread(state);                                                          \
    } while (0)

static inline size_t items(const Py_buffer *buffer, size_t size)
{
    return (size_t)buffer->len / size;
}

static inline int aligned(const Py_buffer *buffer, size_t size)
{
    return (uintptr_t)buffer->buf % size == 0 && (size_t)buffer->len % size == 0;
}

/* Release all buffers; raise ValueError if something was wrong. */
static inline PyObject *finish(const char *wrong, Py_buffer *buffers[], int number)
{
    for (int index = 0; index < number; index++)
        PyBuffer_Release(buffers[index]);
    if (wrong) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return NULL;
    }
    Py_RETURN_NONE;
}

#define UNLIKE "arrays of other types or lengths than were promised"

/* in _baskets.c */
PyObject *open_baskets(PyObject *module, PyObject *arguments);
PyObject *join_baskets(PyObject *module, PyObject *arguments);
PyObject *join_nested(PyObject *module, PyObject *arguments);

/* in _encoding_loops.c */
PyObject *count_slots(PyObject *module, PyObject *arguments);
PyObject *encode_codes(PyObject *module, PyObject *arguments);

#endif
