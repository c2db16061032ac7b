/* The compiled loops that encode columns, see schemas/loops.py. */

#include "_loops.h"

/* -- the distinct values of a column ------------------------------------------------------------- */

/* The slot that a value belongs into: the highest bits of a product. */
#define SLOT(type, value, factor, shift) ((size_t)((type)((value) * (type)(factor)) >> (shift)))

#define SLOTS(name, type)                                                                         \
    /* Put values into their slots, where the last one stays, and count them. */                  \
    static void fill##name(const void *values, size_t number, size_t step, uint64_t factor,       \
                           unsigned shift, void *slots, uint32_t *counts)                         \
    {                                                                                             \
        const type *value = values;                                                               \
        type *slot = slots;                                                                       \
        for (size_t index = 0; index < number; index += step) {                                   \
            size_t place = SLOT(type, value[index], factor, shift);                               \
            slot[place] = value[index];                                                           \
            counts[place]++;                                                                      \
        }                                                                                         \
    }                                                                                             \
    /* Mark the slots that some values belong into, and count them. */                            \
    static size_t mark##name(const void *values, size_t number, uint64_t factor, unsigned shift,  \
                             uint8_t *marks)                                                      \
    {                                                                                             \
        const type *value = values;                                                               \
        size_t marked = 0;                                                                        \
        for (size_t index = 0; index < number; index++) {                                         \
            size_t place = SLOT(type, value[index], factor, shift);                               \
            marked += !marks[place];                                                              \
            marks[place] = 1;                                                                     \
        }                                                                                         \
        return marked;                                                                            \
    }                                                                                             \
    /* Write down what is in some slots. */                                                       \
    static void list##name(const void *slots, const uint32_t *used, size_t number, void *found)   \
    {                                                                                             \
        for (size_t index = 0; index < number; index++)                                           \
            ((type *)found)[index] = ((const type *)slots)[used[index]];                          \
    }                                                                                             \
    /* Give values the codes of their slots; list, and count, those that are not in them. */      \
    static size_t find##name(const void *values, size_t number, uint64_t factor, unsigned shift,  \
                             const void *slots, const uint16_t *code, uint16_t *codes,            \
                             int64_t *others)                                                     \
    {                                                                                             \
        const type *value = values, *slot = slots;                                                \
        size_t left = 0;                                                                          \
        for (size_t index = 0; index < number; index++) {                                         \
            size_t place = SLOT(type, value[index], factor, shift);                               \
            codes[index] = code[place];                                                           \
            others[left] = index; /* is overwritten unless it counts */                           \
            left += slot[place] != value[index];                                                  \
        }                                                                                         \
        return left;                                                                              \
    }
SLOTS(32, uint32_t)
SLOTS(64, uint64_t)

#define MOST 65535 /* as in skim/dictionary.py, which does the same without this loop */

/* List the slots that are in use, most frequent ones first and else in their order. */
static size_t rank(const uint32_t *counts, size_t slots, uint32_t *used, uint32_t *spare)
{
    size_t number = 0;
    for (size_t slot = 0; slot < slots; slot++) {
        used[number] = slot; /* is overwritten unless it counts */
        number += counts[slot] > 0;
    }
    for (unsigned shift = 0; shift < 16; shift += 8) { /* sorted by digits, the lowest first */
#define DIGIT(slot) ((MOST - (counts[slot] < MOST ? counts[slot] : MOST)) >> shift & 255)
        size_t starts[257] = {0};
        for (size_t index = 0; index < number; index++)
            starts[DIGIT(used[index]) + 1]++;
        for (unsigned digit = 0; digit < 256; digit++)
            starts[digit + 1] += starts[digit];
        for (size_t index = 0; index < number; index++)
            spare[starts[DIGIT(used[index])]++] = used[index];
        memcpy(used, spare, number * sizeof *used);
#undef DIGIT
    }
    return number;
}

#define MOST_SLOTS (1 << 16)

/* What a round knows of each slot; with fewer slots the rest of the memory is never touched. */
typedef struct {
    uint64_t slots[MOST_SLOTS]; /* what is in it; of values of 32 bits two are in each item */
    uint32_t counts[MOST_SLOTS], used[MOST_SLOTS], spare[MOST_SLOTS];
    uint16_t code[MOST_SLOTS];
} Round;

PyObject *find_distinct(PyObject *module, PyObject *arguments)
{
    Py_buffer values, found, codes, others;
    Py_buffer *all[] = {&values, &found, &codes, &others};
    unsigned long long factor;
    unsigned size, logarithm;
    Py_ssize_t step;
    if (!PyArg_ParseTuple(arguments, "y*InKIw*w*w*", &values, &size, &step, &factor, &logarithm,
                          &found, &codes, &others))
        return NULL;
    size_t number = size == 4 || size == 8 ? items(&values, size) : 0;
    size_t slots = (size_t)1 << (logarithm & 31);
    if (!number || step < 1 || !logarithm || logarithm > 16 || !aligned(&values, size) ||
        !aligned(&found, size) || items(&found, size) != slots || !aligned(&codes, 2) ||
        items(&codes, 2) != number || !aligned(&others, 8) || items(&others, 8) != number)
        return finish(UNLIKE, all, 4);
    Round *round = PyMem_Malloc(sizeof *round);
    if (!round) {
        Py_DECREF(finish(NULL, all, 4));
        return PyErr_NoMemory();
    }
    unsigned shift = 8 * size - logarithm;
    size_t distinct, left;
    BEGIN_WORK(number);
    memset(round->slots, 0, slots * size);
    memset(round->counts, 0, slots * sizeof *round->counts);
    /* an empty slot holds nothing that belongs there: 0 belongs into the first one */
    *(char *)round->slots = 1;
    (size == 4 ? fill32 : fill64)(values.buf, number, step, factor, shift, round->slots,
                                  round->counts);
    distinct = rank(round->counts, slots, round->used, round->spare);
    for (size_t index = 0; index < distinct; index++)
        round->code[round->used[index]] = index;
    (size == 4 ? list32 : list64)(round->slots, round->used, distinct, found.buf);
    left = (size == 4 ? find32 : find64)(values.buf, number, factor, shift, round->slots,
                                         round->code, codes.buf, others.buf);
    END_WORK();
    PyMem_Free(round);
    Py_DECREF(finish(NULL, all, 4));
    return Py_BuildValue("nn", (Py_ssize_t)distinct, (Py_ssize_t)left);
}

PyObject *count_slots(PyObject *module, PyObject *arguments)
{
    Py_buffer values;
    Py_buffer *all[] = {&values};
    unsigned long long factor;
    unsigned size, logarithm;
    if (!PyArg_ParseTuple(arguments, "y*IKI", &values, &size, &factor, &logarithm))
        return NULL;
    if ((size != 4 && size != 8) || !logarithm || logarithm > 16 || !aligned(&values, size))
        return finish(UNLIKE, all, 1);
    uint8_t marks[MOST_SLOTS];
    memset(marks, 0, (size_t)1 << logarithm);
    size_t marked = (size == 4 ? mark32 : mark64)(values.buf, items(&values, size), factor,
                                                  8 * size - logarithm, marks);
    Py_DECREF(finish(NULL, all, 1));
    return PyLong_FromSize_t(marked);
}

/* -- numbers of few bits ------------------------------------------------------------------------ */

/* Pack groups of numbers; the compiler knows the width, and with it where each number goes. */
#define PACK(name, type)                                                                          \
    INLINE void name(const type *from, unsigned width, size_t groups, uint8_t *to)                \
    {                                                                                             \
        for (; groups; groups--, from += GROUP) {                                                 \
            uint64_t word = 0;                                                                    \
            unsigned bits = 0;                                                                    \
            for (unsigned index = 0; index < GROUP; index++) {                                    \
                word |= (uint64_t)from[index] << bits;                                            \
                bits += width;                                                                    \
                if (bits >= 32) {                                                                 \
                    memcpy(to, &word, 4);                                                         \
                    to += 4;                                                                      \
                    word >>= 32;                                                                  \
                    bits -= 32;                                                                   \
                }                                                                                 \
            }                                                                                     \
            memcpy(to, &word, bits / 8);                                                          \
            to += bits / 8;                                                                       \
        }                                                                                         \
    }
PACK(pack16, uint16_t)
PACK(pack32, uint32_t)

static void pack_groups(const void *numbers, unsigned size, unsigned width, size_t groups,
                        uint8_t *to)
{
    switch (width) {
#define PACK_GROUPS(width)                                                                        \
    case width:                                                                                   \
        if (size == 2)                                                                            \
            pack16(numbers, width, groups, to);                                                   \
        else                                                                                      \
            pack32(numbers, width, groups, to);                                                   \
        break;
        EACH_WIDTH(PACK_GROUPS)
#undef PACK_GROUPS
    }
}

PyObject *pack(PyObject *module, PyObject *arguments)
{
    Py_buffer numbers, packed;
    Py_buffer *all[] = {&numbers, &packed};
    unsigned size, width;
    if (!PyArg_ParseTuple(arguments, "y*IIw*", &numbers, &size, &width, &packed))
        return NULL;
    size_t number = size == 2 || size == 4 ? items(&numbers, size) : 0;
    size_t groups = number / GROUP, rest = number % GROUP;
    if (!number || !width || width > 8 * size || width > 20 || !aligned(&numbers, size) ||
        (size_t)packed.len != (groups + !!rest) * width)
        return finish(UNLIKE, all, 2);
    BEGIN_WORK(number);
    pack_groups(numbers.buf, size, width, groups, packed.buf);
    if (rest) {
        uint32_t last[GROUP] = {0};
        memcpy(last, (const char *)numbers.buf + groups * GROUP * size, rest * size);
        pack_groups(last, size, width, 1, (uint8_t *)packed.buf + groups * width);
    }
    END_WORK();
    return finish(NULL, all, 2);
}
