#include "CSHA1.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

int CSHA1_is_supported(void) {
  unsigned int a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1)) return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

// The state: a, b, c, d in one register and e in the highest word of another, as the instructions require.
typedef struct {
  __m128i abcd, e;
} State;

#define CSHA1_TARGET __attribute__((target("sha,sse4.1")))

CSHA1_TARGET static inline State load(const uint32_t *words) {
  return (State){_mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), 0x1b), _mm_set_epi32((int)words[4], 0, 0, 0)};
}

CSHA1_TARGET static inline void store(State state, uint32_t *words) {
  _mm_storeu_si128((__m128i *)words, _mm_shuffle_epi32(state.abcd, 0x1b));
  words[4] = (uint32_t)_mm_extract_epi32(state.e, 3);
}

CSHA1_TARGET static inline State sum(State before, State after) {
  return (State){_mm_add_epi32(before.abcd, after.abcd), _mm_sha1nexte_epu32(after.e, before.e)};
}

// Four of the eighty rounds (FIPS 180-4, section 6.1.2); a macro, because the kind of round must be a constant.
#define FOUR_ROUNDS(state, number, words)                                                        \
  do {                                                                                           \
    __m128i sum = number == 0 ? _mm_add_epi32(state.e, words) : _mm_sha1nexte_epu32(state.e, words); \
    state.e = state.abcd;                                                                        \
    state.abcd = _mm_sha1rnds4_epu32(state.abcd, sum, number / 5);                               \
  } while (0)

// The words of four rounds, loaded or computed from the previous sixteen, and the rounds of both states.
#define STEP(number, w, x, y, z)                                                                 \
  do {                                                                                           \
    w = number < 4 ? _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)blocks + number % 4), order) \
                   : _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w, x), y), z);          \
    FOUR_ROUNDS(one, number, w);                                                                 \
    FOUR_ROUNDS(other, number, w);                                                               \
  } while (0)

#define FOUR_STEPS(number)        \
  STEP(number, w, x, y, z);       \
  STEP((number + 1), x, y, z, w); \
  STEP((number + 2), y, z, w, x); \
  STEP((number + 3), z, w, x, y)

CSHA1_TARGET void CSHA1_take_into_both(uint32_t *first, uint32_t *second, const uint8_t *blocks, size_t count) {
  const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
  State one = load(first), other = load(second);
  for (; count > 0; count--, blocks += 64) {
    const State one_before = one, other_before = other;
    __m128i w, x, y, z;
    FOUR_STEPS(0);
    FOUR_STEPS(4);
    FOUR_STEPS(8);
    FOUR_STEPS(12);
    FOUR_STEPS(16);
    one = sum(one_before, one);
    other = sum(other_before, other);
  }
  store(one, first);
  store(other, second);
}

#else

int CSHA1_is_supported(void) { return 0; }

void CSHA1_take_into_both(uint32_t *first, uint32_t *second, const uint8_t *blocks, size_t count) {
  (void)first, (void)second, (void)blocks, (void)count;
  __builtin_trap();
}

#endif
