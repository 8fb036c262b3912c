/* What is known of each value, by a hash of it. */
#ifndef KNOWN_H
#define KNOWN_H

#include "mr_row.h"

typedef enum { KNOWN_NOT_YET, KNOWN_ASKED, KNOWN, KNOWN_TO_NOBODY } known_state_t;
typedef struct {
    known_state_t state;
    mr_bytes_t id, country; /* of its own */
} known_entry_t;

/* Starts as {0}. */
typedef struct { known_entry_t **slots; size_t len, cap; } known_t;

/* The entry of a value, which is made where there is none and stays where it is until known_clear. */
known_entry_t *known_of(known_t *known, mr_bytes_t id);
void known_clear(known_t *known);

#endif
