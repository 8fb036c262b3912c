#include "known.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(mr_bytes_t id) {
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < id.len; i++) h = (h ^ id.at[i]) * 0x100000001b3;
    return (size_t)(h ^ h >> 32);
}

/* Where it is, or would be. */
static known_entry_t **place(known_entry_t **slots, size_t cap, mr_bytes_t id) {
    size_t i = hash(id) & (cap - 1);
    while (slots[i] && !(slots[i]->id.len == id.len && memcmp(slots[i]->id.at, id.at, id.len) == 0)) i = (i + 1) & (cap - 1);
    return &slots[i];
}

static void widen(known_t *k) {
    size_t cap = k->cap ? 2 * k->cap : 64;
    known_entry_t **slots = calloc(cap, sizeof *slots);
    if (!slots) abort();
    for (size_t i = 0; i < k->cap; i++)
        if (k->slots[i]) *place(slots, cap, k->slots[i]->id) = k->slots[i];
    free(k->slots);
    k->slots = slots;
    k->cap = cap;
}

known_entry_t *known_of(known_t *k, mr_bytes_t id) {
    if (2 * k->len >= k->cap) widen(k);
    known_entry_t **at = place(k->slots, k->cap, id);
    if (*at) return *at;
    /* The value is behind its entry. */
    known_entry_t *entry = malloc(sizeof *entry + id.len);
    if (!entry) abort();
    memcpy(entry + 1, id.at, id.len);
    *entry = (known_entry_t){.id = {(const uint8_t *)(entry + 1), id.len}};
    k->len++;
    return *at = entry;
}

void known_clear(known_t *k) {
    for (size_t i = 0; i < k->cap; i++) {
        if (k->slots[i]) free((void *)k->slots[i]->country.at);
        free(k->slots[i]);
    }
    free(k->slots);
    *k = (known_t){0};
}
