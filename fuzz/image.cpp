#include <cstdlib>

#include "fuzz/target.h"
#include "kaem/io/decode.h"

/// Pictures: they have as many pixels as their header says, which is that of the decoded one.
void kaem_fuzz(std::string_view bytes) {
  constexpr int64_t kMostPixels = 1 << 20;  // larger ones only cost time
  const kaem::io::ImageSize size = kaem::io::image_size(bytes, "input");
  if (size.height * size.width > kMostPixels) return;
  for (const int64_t channels : {0, 1, 3}) {
    const kaem::io::Pixels pixels = kaem::io::decode_image(bytes, channels, "input");
    if (pixels.height != size.height || pixels.width != size.width) std::abort();
    if (pixels.channels != (channels == 0 ? size.channels : channels)) std::abort();
    if (static_cast<int64_t>(pixels.bytes.size()) != pixels.height * pixels.width * pixels.channels) std::abort();
  }
}
