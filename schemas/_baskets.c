/* The compiled loops that read baskets of numbers, see schemas/baskets.py and schemas/loops.py. */

#include "_loops.h"

#include <stdlib.h>
#ifndef _WIN32
#include <unistd.h>
#endif

/* What Python and these loops tell each other of a basket. */
typedef struct {
    int64_t start;  /* of its content, in that of all of them */
    int64_t border; /* where its values end and the positions of its entries begin, from there */
    int64_t key;    /* length of the key, where positions are counted from */
    int64_t entries;
} Basket;

/* -- from the file ------------------------------------------------------------------------------ */

static int64_t big16(const uint8_t *at) { return (int16_t)(at[0] << 8 | at[1]); }

static int64_t big32(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
}

static int64_t little24(const uint8_t *at)
{
    return (int64_t)at[0] | (int64_t)at[1] << 8 | (int64_t)at[2] << 16;
}

/* Bytes of the key that all objects have, of what the key of a basket ends with, and of the header
 * of a compressed block. */
enum { KEY = 18, ABOUT = 19, BLOCK = 9 };

/* Bytes before the values of an entry, at most; the last four of them are the number of values. */
enum { MOST_HEADER = 64, NUMBER = 4 };

/* Take a basket apart and append its compressed frames to those of others. Return how many bytes
 * these have, and -1 if anything about the basket is unusual. */
static int64_t open_one(const uint8_t *chunk, int64_t size, unsigned item, int jagged,
                        unsigned header, Basket *basket, int64_t *length, uint8_t *frames)
{
    if (size < KEY || big32(chunk) != size)
        return -1;
    *length = big32(chunk + 6);
    basket->key = big16(chunk + 14);
    if (basket->key < KEY + ABOUT || basket->key > size)
        return -1;
    const uint8_t *about = chunk + basket->key - ABOUT;
    basket->border = big32(about + 14) - basket->key;
    if (big32(about + 10) != basket->entries || basket->entries < 0)
        return -1;
    int64_t values = basket->border - header * basket->entries;
    if (basket->border < 0 || values < 0 || values % item)
        return -1;
    /* positions come after a length, and before one of no use */
    if (basket->border + (jagged ? 4 * (basket->entries + 1) : 0) > *length ||
        (!jagged && values / item != basket->entries) ||
        size - basket->key == *length) /* is not compressed */
        return -1;
    int64_t packed = 0, unpacked = 0;
    for (int64_t at = basket->key; at < size;) {
        const uint8_t *block = chunk + at;
        if (size - at < BLOCK || block[0] != 'Z' || block[1] != 'S')
            return -1;
        int64_t own = little24(block + 3);
        unpacked += little24(block + 6);
        at += BLOCK + own;
        if (at > size)
            return -1;
        memcpy(frames + packed, block + BLOCK, own);
        packed += own;
    }
    return unpacked == *length ? packed : -1;
}

PyObject *open_baskets(PyObject *module, PyObject *arguments)
{
    Py_buffer content, seeks, sizes, edges, frames, baskets;
    Py_buffer *all[] = {&content, &seeks, &sizes, &edges, &frames, &baskets};
    int file, jagged;
    unsigned item, header;
    if (!PyArg_ParseTuple(arguments, "iy*y*y*y*IpIw*w*", &file, &content, &seeks, &sizes, &edges,
                          &item, &jagged, &header, &frames, &baskets))
        return NULL;
    size_t number = items(&seeks, 8);
    if (!item || header > MOST_HEADER || !aligned(&seeks, 8) || !aligned(&sizes, 8) || !aligned(&edges, 8) ||
        !aligned(&baskets, 8) || items(&sizes, 8) != number || items(&edges, 8) != number + 1 ||
        (size_t)baskets.len != number * sizeof(Basket))
        return finish(UNLIKE, all, 6);
    int64_t packed = -1, length = 0;
#ifndef _WIN32
    const int64_t *seek = seeks.buf, *size = sizes.buf, *edge = edges.buf;
    Basket *basket = baskets.buf;
    int64_t most = 0, room = frames.len;
    for (size_t index = 0; index < number && room >= 0; index++) {
        most = size[index] > most ? size[index] : most;
        room = size[index] < 0 || size[index] > room ? -1 : room - size[index];
    }
    if (file < 0 && content.len < frames.len - room)
        room = -1;
    PyThreadState *state = PyEval_SaveThread();
    uint8_t *chunk = room < 0 ? NULL : malloc(most + 1);
    int64_t at = 0;
    packed = chunk && number ? 0 : -1;
    for (size_t index = 0; index < number && packed >= 0; index++) {
        int64_t own = 0, one = -1;
        uint64_t entries = (uint64_t)edge[index + 1] - (uint64_t)edge[index];
        basket[index] = (Basket){.start = length, .entries = (int64_t)entries};
        const uint8_t *bytes = file < 0 ? (const uint8_t *)content.buf + at : chunk;
        if (file < 0 || pread(file, chunk, size[index], seek[index]) == size[index])
            one = open_one(bytes, size[index], item, jagged, header, basket + index, &own,
                           (uint8_t *)frames.buf + packed);
        packed = one < 0 ? -1 : packed + one;
        length += own;
        at += size[index];
    }
    free(chunk);
    PyEval_RestoreThread(state);
#endif
    PyObject *none = finish(NULL, all, 6);
    if (packed < 0)
        return none;
    Py_DECREF(none);
    return Py_BuildValue("LL", (long long)packed, (long long)length);
}

/* -- from their content -------------------------------------------------------------------------- */

#define SWAP16(value) ((uint16_t)((value) << 8 | (value) >> 8))
#define SWAP32(value)                                                                             \
    ((value) << 24 | ((value) << 8 & 0xFF0000) | ((value) >> 8 & 0xFF00) | (value) >> 24)
#define SWAP64(value)                                                                             \
    ((uint64_t)SWAP32((uint32_t)(value)) << 32 | SWAP32((uint32_t)((value) >> 32)))

/* Turn big-endian numbers around; their bytes may begin anywhere. */
#define SWAP(name, type, swap)                                                                    \
    static void name(const char *from, size_t number, void *to)                                   \
    {                                                                                             \
        for (size_t index = 0; index < number; index++) {                                         \
            type value;                                                                           \
            memcpy(&value, from + index * sizeof value, sizeof value);                            \
            ((type *)to)[index] = swap(value);                                                    \
        }                                                                                         \
    }
SWAP(swap16, uint16_t, SWAP16)
SWAP(swap32, uint32_t, SWAP32)
SWAP(swap64, uint64_t, SWAP64)

static void swap(const char *from, size_t number, unsigned item, void *to)
{
    if (item == 1)
        memcpy(to, from, number);
    else
        (item == 2 ? swap16 : item == 4 ? swap32 : swap64)(from, number, to);
}

static int64_t read_place(const char *from, const Basket *basket)
{
    uint32_t big;
    memcpy(&big, from, 4);
    return (int32_t)SWAP32(big) - basket->key;
}

/* Turn positions into offsets. Return 0 unless they begin at the key, rise by whole values, and end
 * before the border. */
static int read_positions(const char *from, const Basket *basket, unsigned item, int64_t first,
                          int64_t *offsets)
{
    unsigned logarithm = (item > 1) + (item > 2) + (item > 4);
    int64_t last = 0, wrong = 0;
    for (int64_t index = 0; index < basket->entries; index++) {
        int64_t place = read_place(from + 4 * index, basket);
        wrong |= (place & (item - 1)) | (place < last);
        offsets[index] = first + (place >> logarithm);
        last = place;
    }
    return !wrong && last <= basket->border && (!basket->entries || offsets[0] == first);
}

/* Return where an entry begins, or where the last one ends. */
static int64_t place_of(const char *from, const Basket *basket, int64_t index)
{
    return index < basket->entries ? read_place(from + basket->border + 4 * (index + 1), basket)
                                   : basket->border;
}

/* The same where each entry has a header, and the values after it are put together. Return 0 too if
 * an entry has another number of values than its header says. */
static int read_vectors(const char *from, const Basket *basket, unsigned item, unsigned header,
                        int64_t first, int64_t *offsets, char *to)
{
    int64_t place = 0;
    if (basket->entries && place_of(from, basket, 0))
        return 0;
    for (int64_t index = 0; index < basket->entries; index++) {
        int64_t next = place_of(from, basket, index + 1);
        int64_t bytes = next - place - header;
        if (bytes < 0 || bytes % item || next > basket->border)
            return 0;
        const char *values = from + place + header;
        int64_t number = bytes / item;
        if (big32((const uint8_t *)values - NUMBER) != number)
            return 0;
        swap(values, number, item, to);
        offsets[index] = first;
        to += bytes;
        first += number;
        place = next;
    }
    return 1;
}

static const char *const CONTRADICTING =
    "the positions of entries in a basket contradict each other";

/* Whether a basket is in a content, as far as it says where it is. */
static int is_inside(const Basket *basket, const Py_buffer *content)
{
    return basket->start >= 0 && basket->start <= content->len && basket->border >= 0 &&
           basket->border <= content->len - basket->start && basket->entries >= 0 &&
           basket->entries <= content->len;
}

/* Whether the positions of its entries, of which there may be some number, are there too. */
static int has_positions(const Basket *basket, const Py_buffer *content, int64_t most)
{
    int64_t left = content->len - basket->start - basket->border - 4;
    return basket->entries <= most && left >= 0 && left / 4 >= basket->entries &&
           basket->key >= 0 && basket->key <= INT16_MAX;
}

PyObject *join_baskets(PyObject *module, PyObject *arguments)
{
    Py_buffer content, baskets, values, offsets;
    Py_buffer *all[] = {&content, &baskets, &values, &offsets};
    unsigned item, header;
    if (!PyArg_ParseTuple(arguments, "y*y*IIw*w*", &content, &baskets, &item, &header, &values,
                          &offsets))
        return NULL;
    if (!item || item > 8 || item & (item - 1) || (header && header < NUMBER) ||
        header > MOST_HEADER || (header && !offsets.len) || !aligned(&baskets, 8) ||
        baskets.len % sizeof(Basket) || !aligned(&values, item) || !aligned(&offsets, 8))
        return finish(UNLIKE, all, 4);
    const Basket *basket = baskets.buf, *end = basket + items(&baskets, sizeof(Basket));
    char *to = values.buf;
    int64_t *offset = offsets.buf;
    int64_t room = values.len, entries = items(&offsets, 8), first = 0;
    const char *wrong = NULL;
    BEGIN_WORK(items(&values, item));
    for (; basket < end && !wrong; basket++) {
        int64_t bytes = is_inside(basket, &content) ? basket->border - header * basket->entries : -1;
        if (bytes < 0 || bytes > room || bytes % item) {
            wrong = UNLIKE;
            break;
        }
        const char *from = (const char *)content.buf + basket->start;
        if (offsets.len) {
            if (!has_positions(basket, &content, entries))
                wrong = UNLIKE;
            else if (header ? !read_vectors(from, basket, item, header, first, offset, to)
                            : !read_positions(from + basket->border + 4, basket, item, first,
                                              offset))
                wrong = CONTRADICTING;
            offset += basket->entries;
            entries -= basket->entries;
        }
        if (!header)
            swap(from, bytes / item, item, to);
        to += bytes;
        room -= bytes;
        first += bytes / item;
    }
    END_WORK();
    return finish(wrong, all, 4);
}

/* What has been filled of vectors of vectors. */
typedef struct {
    char *values;
    int64_t *inner, *offsets;
    int64_t number, lists, entries;
    int64_t most, most_lists, most_entries;
} Nested;

/* Append the entries of a basket. Return 0 unless positions and numbers fit each other. */
static int read_nested(const char *from, const Basket *basket, unsigned item, unsigned header,
                       Nested *to)
{
    int64_t place = 0;
    if (basket->entries && place_of(from, basket, 0))
        return 0;
    for (int64_t index = 0; index < basket->entries; index++) {
        int64_t next = place_of(from, basket, index + 1);
        if (next - place < header || next > basket->border)
            return 0;
        const char *at = from + place + header, *end = from + next;
        to->offsets[to->entries++] = to->lists;
        int64_t left = big32((const uint8_t *)at - NUMBER);
        if (left < 0)
            return 0;
        for (; left; left--) {
            if (end - at < NUMBER)
                return 0;
            int64_t number = big32((const uint8_t *)at);
            at += NUMBER;
            if (number < 0 || number > (end - at) / item || number > to->most - to->number ||
                to->lists >= to->most_lists)
                return 0;
            swap(at, number, item, to->values + to->number * item);
            to->inner[to->lists++] = to->number;
            to->number += number;
            at += number * item;
        }
        if (at != end)
            return 0;
        place = next;
    }
    return 1;
}

PyObject *join_nested(PyObject *module, PyObject *arguments)
{
    Py_buffer content, baskets, values, inner, offsets;
    Py_buffer *all[] = {&content, &baskets, &values, &inner, &offsets};
    unsigned item, header;
    if (!PyArg_ParseTuple(arguments, "y*y*IIw*w*w*", &content, &baskets, &item, &header, &values,
                          &inner, &offsets))
        return NULL;
    if (!item || item > 8 || item & (item - 1) || header < NUMBER || header > MOST_HEADER ||
        !aligned(&baskets, 8) || baskets.len % sizeof(Basket) || !aligned(&values, item) ||
        !aligned(&inner, 8) || !aligned(&offsets, 8))
        return finish(UNLIKE, all, 5);
    const Basket *basket = baskets.buf, *end = basket + items(&baskets, sizeof(Basket));
    Nested to = {.values = values.buf,
                 .inner = inner.buf,
                 .offsets = offsets.buf,
                 .most = items(&values, item),
                 .most_lists = items(&inner, 8),
                 .most_entries = items(&offsets, 8)};
    const char *wrong = NULL;
    BEGIN_WORK(items(&values, item));
    for (; basket < end && !wrong; basket++) {
        if (!is_inside(basket, &content) ||
            !has_positions(basket, &content, to.most_entries - to.entries))
            wrong = UNLIKE;
        else if (!read_nested((const char *)content.buf + basket->start, basket, item, header, &to))
            wrong = CONTRADICTING;
    }
    END_WORK();
    PyObject *none = finish(wrong, all, 5);
    if (!none)
        return NULL;
    Py_DECREF(none);
    return Py_BuildValue("LL", (long long)to.lists, (long long)to.number);
}
