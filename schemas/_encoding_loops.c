/* The compiled loops that encode columns, see schemas/loops.py. */

#include "_loops.h"

/* Slots of a dictionary: the highest bits of a product say which one a value belongs into. */
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

/* Tell whether there are values of a size, and as many slots as a logarithm says. */
static int has_slots(const Py_buffer *values, unsigned size, unsigned logarithm,
                     const Py_buffer *slots)
{
    return (size == 4 || size == 8) && logarithm && logarithm <= 16 && aligned(values, size) &&
           values->len && aligned(slots, size) && items(slots, size) == (size_t)1 << logarithm;
}

PyObject *fill_slots(PyObject *module, PyObject *arguments)
{
    Py_buffer values, slots, counts;
    Py_buffer *all[] = {&values, &slots, &counts};
    unsigned long long factor;
    unsigned size, logarithm;
    Py_ssize_t step;
    if (!PyArg_ParseTuple(arguments, "y*InKIw*w*", &values, &size, &step, &factor, &logarithm,
                          &slots, &counts))
        return NULL;
    if (!has_slots(&values, size, logarithm, &slots) || step < 1 || !aligned(&counts, 4) ||
        items(&counts, 4) != items(&slots, size))
        return finish(UNLIKE, all, 3);
    BEGIN_WORK(items(&values, size) / step);
    (size == 4 ? fill32 : fill64)(values.buf, items(&values, size), step, factor,
                                  8 * size - logarithm, slots.buf, counts.buf);
    END_WORK();
    return finish(NULL, all, 3);
}

PyObject *find_codes(PyObject *module, PyObject *arguments)
{
    Py_buffer values, slots, code, codes, others;
    Py_buffer *all[] = {&values, &slots, &code, &codes, &others};
    unsigned long long factor;
    unsigned size, logarithm;
    if (!PyArg_ParseTuple(arguments, "y*IKIy*y*w*w*", &values, &size, &factor, &logarithm, &slots,
                          &code, &codes, &others))
        return NULL;
    if (!has_slots(&values, size, logarithm, &slots) || !aligned(&code, 2) ||
        items(&code, 2) != items(&slots, size) || !aligned(&codes, 2) ||
        items(&codes, 2) != items(&values, size) || !aligned(&others, 8) ||
        items(&others, 8) != items(&values, size))
        return finish(UNLIKE, all, 5);
    size_t left;
    BEGIN_WORK(items(&values, size));
    left = (size == 4 ? find32 : find64)(values.buf, items(&values, size), factor,
                                         8 * size - logarithm, slots.buf, code.buf, codes.buf,
                                         others.buf);
    END_WORK();
    Py_DECREF(finish(NULL, all, 5));
    return PyLong_FromSize_t(left);
}

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
