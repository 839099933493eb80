// Compiled without fused multiply-adds (CMakeLists.txt), so that the numbers are
// those of the processor to the last bit.
#include "kaem/core/philox.h"
#include "ops/cuda/launch.cuh"
#include "ops/random/cuda.h"

namespace kaem::ops::cuda {
namespace {

/// A thread per block of four numbers.
__global__ void random_kernel(Numbers numbers, int64_t first, int64_t count, bool normal, const int64_t* counter,
                              float* out) {
  const int64_t step = numbers.later == nullptr ? numbers.step : numbers.step + *numbers.later;
  const philox::Sequence sequence(numbers.seed, numbers.stream, step);
  if (counter != nullptr) first += *counter;
  const int64_t first_block = first / 4, blocks = (first + count + 3) / 4 - first_block;
  for (int64_t b = first_element(); b < blocks; b += element_step()) {
    const philox::Block words = sequence.block(static_cast<uint64_t>(first_block + b));
    float values[4];
    for (int k = 0; k < 4; k += 2) {
      if (normal) {
        const philox::Direction pair = philox::normals_of_words(words.word[k], words.word[k + 1]);
        values[k] = pair.cosine, values[k + 1] = pair.sine;
      } else {
        values[k] = philox::uniform_of_word(words.word[k]), values[k + 1] = philox::uniform_of_word(words.word[k + 1]);
      }
    }
    const int64_t at = 4 * (first_block + b) - first;
    for (int k = 0; k < 4; ++k)
      if (at + k >= 0 && at + k < count) out[at + k] = values[k];
  }
}

}  // namespace

void fill_random(const Numbers& numbers, int64_t first, int64_t count, bool normal, const int64_t* counter, float* out,
                 Stream stream) {
  random_kernel<<<blocks_for(count / 4 + 2), kThreads, 0, stream>>>(numbers, first, count, normal, counter, out);
}

}  // namespace kaem::ops::cuda
