/* SHA-256 (FIPS 180-4). */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint32_t state[8]; uint8_t block[64]; uint64_t len; } sha256_t;

void sha256_begin(sha256_t *sha);
void sha256_add(sha256_t *sha, const void *at, size_t len);
void sha256_end(sha256_t *sha, uint8_t digest[32]);

#endif
