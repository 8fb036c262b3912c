/* The text "country" of a JSON object. */
#ifndef COUNTRY_H
#define COUNTRY_H

#include "mr_row.h"

/* False: it is no such object. What is found belongs to the caller, who frees it. */
bool country_of(mr_bytes_t json, mr_bytes_t *country);

#endif
