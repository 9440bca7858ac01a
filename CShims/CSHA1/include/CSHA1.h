#ifndef KACHERY_CSHA1_H
#define KACHERY_CSHA1_H

#include <stddef.h>
#include <stdint.h>

// Whether this processor has the instructions that CSHA1_take_into_both needs.
int CSHA1_is_supported(void);

// Takes `count` blocks of 64 bytes into two states of SHA-1 at once. OpenSSL takes them into one at a time, and leaves the
// unit for SHA half idle: each step waits for the one before it. Two states fill each other's gaps, and share what is
// computed of the bytes alone, so that the second costs a tenth of the first. Each state is five words, as in SHA_CTX.
void CSHA1_take_into_both(uint32_t *first, uint32_t *second, const uint8_t *blocks, size_t count);

#endif
