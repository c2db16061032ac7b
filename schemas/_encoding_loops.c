/* The compiled loops that encode columns, see schemas/loops.py. */

#include "_loops.h"

#include <stdlib.h>

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

/* as in skim/dictionary.py and skim/bit_packing.py, which do the same without these loops */
enum { SAMPLE = 8, LEAST_BITS = 8, MOST_BITS = 16, ROUNDS = 3, SMALL = 1000, MOST = 65535 };
enum { LONG_RUN = 256, GLANCE = 32 };
#define GOLDEN 0x9E3779B97F4A7C15u

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

/* Do one round. Return how many values are in no slot, and list their positions. */
static size_t do_round(Round *round, const void *values, unsigned size, size_t number,
                       unsigned done, void *found, size_t *distinct, uint16_t *codes,
                       int64_t *others)
{
    size_t step = done ? 1 : SAMPLE, sample = (number + step - 1) / step;
    unsigned logarithm = LEAST_BITS;
    while (logarithm < MOST_BITS && sample >> logarithm)
        logarithm++;
    unsigned shift = 8 * size - logarithm;
    uint64_t golden = GOLDEN >> (64 - 8 * size), factor = golden;
    for (; done; done--)
        factor *= golden * golden;
    memset(round->slots, 0, (size_t)size << logarithm);
    memset(round->counts, 0, sizeof *round->counts << logarithm);
    /* an empty slot holds nothing that belongs there: 0 belongs into the first one */
    *(char *)round->slots = 1;
    (size == 4 ? fill32 : fill64)(values, number, step, factor, shift, round->slots,
                                  round->counts);
    *distinct = rank(round->counts, (size_t)1 << logarithm, round->used, round->spare);
    for (size_t index = 0; index < *distinct; index++)
        round->code[round->used[index]] = index;
    (size == 4 ? list32 : list64)(round->slots, round->used, *distinct, found);
    return (size == 4 ? find32 : find64)(values, number, factor, shift, round->slots, round->code,
                                         codes, others);
}

#define SORT(name, type)                                                                          \
    static int compare##name(const void *one, const void *other)                                  \
    {                                                                                             \
        type first = *(const type *)one, second = *(const type *)other;                           \
        return (first > second) - (first < second);                                               \
    }                                                                                             \
    /* Do what a round does for few values: their order finds all distinct ones. */               \
    static size_t sort##name(const void *values, size_t number, void *found, uint16_t *codes)     \
    {                                                                                             \
        const type *value = values;                                                               \
        type *sorted = found;                                                                     \
        size_t distinct = 0;                                                                      \
        memcpy(sorted, value, number * sizeof *value);                                            \
        qsort(sorted, number, sizeof *sorted, compare##name);                                     \
        for (size_t index = 0; index < number; index++)                                           \
            if (!distinct || sorted[index] != sorted[distinct - 1])                               \
                sorted[distinct++] = sorted[index];                                               \
        for (size_t index = 0; index < number; index++)                                           \
            codes[index] = (const type *)bsearch(value + index, sorted, distinct, sizeof *sorted, \
                                                 compare##name) - sorted;                         \
        return distinct;                                                                          \
    }
SORT(32, uint32_t)
SORT(64, uint64_t)

/* Find the distinct ones among the values at some places; they follow those that are found, and so
 * do their codes. Return how many there are now; 0 if there are too many, or no memory for it. */
static size_t find_rest(Round *round, const char *values, unsigned size, size_t number,
                        int64_t *places, char *found, size_t total, uint16_t *codes)
{
    int64_t *others = malloc(number * (sizeof *others + size + sizeof *codes));
    if (!others)
        return 0;
    char *bits = (char *)(others + number);
    uint16_t *own = (uint16_t *)(bits + number * size);
    for (unsigned done = 1; number; done++) {
        for (size_t index = 0; index < number; index++)
            memcpy(bits + index * size, values + places[index] * size, size);
        size_t distinct = 0, left = 0;
        if (number < SMALL)
            distinct = (size == 4 ? sort32 : sort64)(bits, number, found + total * size, own);
        else if (done < ROUNDS)
            left = do_round(round, bits, size, number, done, found + total * size, &distinct, own,
                            others);
        if (!distinct || total + distinct > MOST_SLOTS) {
            total = 0;
            break;
        }
        for (size_t index = 0; index < number; index++)
            codes[places[index]] = total + own[index];
        for (size_t index = 0; index < left; index++)
            places[index] = places[others[index]];
        total += distinct;
        number = left;
    }
    free(others);
    return total;
}

/* Find the distinct ones of all values, and the code of each value; see `find_rest`. */
static size_t find_all(const void *values, unsigned size, size_t number, void *found,
                       uint16_t *codes)
{
    if (number < SMALL)
        return (size == 4 ? sort32 : sort64)(values, number, found, codes);
    Round *round = malloc(sizeof *round);
    int64_t *places = malloc(number * sizeof *places);
    size_t total = 0;
    if (round && places) {
        size_t left = do_round(round, values, size, number, 0, found, &total, codes, places);
        if (left)
            total = find_rest(round, values, size, left, places, found, total, codes);
    }
    free(places);
    free(round);
    return total;
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

/* -- codes of few bits --------------------------------------------------------------------------- */

/* Pack groups of numbers; the compiler knows the width, and with it where each number goes. */
INLINE void pack_width(const uint16_t *from, unsigned width, size_t groups, uint8_t *to)
{
    for (; groups; groups--, from += GROUP) {
        uint64_t word = 0;
        unsigned bits = 0;
        for (unsigned index = 0; index < GROUP; index++) {
            word |= (uint64_t)from[index] << bits;
            bits += width;
            if (bits >= 32) {
                memcpy(to, &word, 4);
                to += 4;
                word >>= 32;
                bits -= 32;
            }
        }
        memcpy(to, &word, bits / 8);
        to += bits / 8;
    }
}

static void pack(const uint16_t *codes, unsigned width, size_t groups, uint8_t *to)
{
    switch (width) {
#define PACK(width)                                                                               \
    case width:                                                                                   \
        pack_width(codes, width, groups, to);                                                     \
        break;
        EACH_WIDTH(PACK)
#undef PACK
    }
}

static size_t count_changes(const uint16_t *codes, size_t number)
{
    size_t changes = 0;
    for (size_t index = 1; index < number; index++)
        changes += codes[index] != codes[index - 1];
    return changes;
}

static uint8_t *write_number(uint64_t number, uint8_t *to)
{
    for (; number > 127; number >>= 7)
        *to++ = number | 128;
    *to++ = number;
    return to;
}

/* Write codes as runs of equal ones, or bit by bit, as skim/bit_packing.py says; zeros follow them,
 * up to a whole group. Return where they end. */
static uint8_t *write_codes(const uint16_t *codes, size_t number, unsigned width, uint8_t *to)
{
    size_t groups = (number + GROUP - 1) / GROUP, most = number / LONG_RUN;
    if (count_changes(codes, number / GLANCE) >= most || count_changes(codes, number) >= most) {
        to = write_number(groups << 1 | 1, to);
        pack(codes, width, groups, to);
        return to + groups * width;
    }
    for (size_t start = 0, stop = 1; start < number; start = stop, stop++) {
        while (stop < number && codes[stop] == codes[start])
            stop++;
        to = write_number((stop - start) << 1, to);
        for (unsigned bits = 0; bits < width; bits += 8)
            *to++ = codes[start] >> bits;
    }
    return to;
}

PyObject *encode_codes(PyObject *module, PyObject *arguments)
{
    Py_buffer values, head, found;
    Py_buffer *all[] = {&values, &head, &found};
    unsigned size;
    if (!PyArg_ParseTuple(arguments, "y*Iy*w*", &values, &size, &head, &found))
        return NULL;
    size_t number = size == 4 || size == 8 ? items(&values, size) : 0;
    if (!number || !aligned(&values, size) || !aligned(&found, size) ||
        items(&found, size) != 2 * MOST_SLOTS)
        return finish(UNLIKE, all, 3);
    /* as many as there can be: packed, codes take 2 bytes at most, as runs much less */
    size_t room = number + GROUP;
    PyObject *content = PyByteArray_FromStringAndSize(NULL, head.len + 16 + 2 * room);
    uint16_t *codes = malloc(room * sizeof *codes);
    size_t distinct = 0, length = 0;
    if (content && codes) {
        uint8_t *start = (uint8_t *)PyByteArray_AsString(content), *to = start + head.len;
        BEGIN_WORK(number);
        memcpy(start, head.buf, head.len);
        memset(codes + number, 0, GROUP * sizeof *codes);
        distinct = find_all(values.buf, size, number, found.buf, codes);
        if (distinct) {
            unsigned width = 1;
            while ((distinct - 1) >> width)
                width++;
            *to++ = width;
            length = write_codes(codes, number, width, to) - start;
        }
        END_WORK();
    }
    free(codes);
    Py_DECREF(finish(NULL, all, 3));
    if (!content || (distinct && PyByteArray_Resize(content, length))) {
        Py_XDECREF(content);
        return NULL;
    }
    if (distinct)
        return Py_BuildValue("Nn", content, (Py_ssize_t)distinct);
    Py_DECREF(content);
    Py_RETURN_NONE;
}
