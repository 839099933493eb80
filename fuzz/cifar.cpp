#include <cstdlib>

#include "data/formats/cifar.h"
#include "data/formats/tar.h"
#include "fuzz/target.h"
#include "kaem/core/error.h"

namespace {

template <class Parse>
void check(std::string_view bytes, Parse&& parse) {
  try {
    const kaem::CifarBatch batch = parse(bytes, "input");
    if (batch.labels.size() != batch.pixels.size() || batch.labels.empty()) std::abort();
    unsigned sum = 0;  // reads every byte, for the sanitizers
    for (const auto pixels : batch.pixels) {
      if (pixels.size() != kaem::kCifarPixels) std::abort();
      for (const char pixel : pixels) sum += static_cast<unsigned char>(pixel);
    }
    if (sum > 255u * kaem::kCifarPixels * batch.pixels.size()) std::abort();
  } catch (const kaem::DataError&) {
  }
}

}  // namespace

/// CIFAR-10's batches in both forms, and tar archives: what is accepted lies inside the file.
void kaem_fuzz(std::string_view bytes) {
  check(bytes, kaem::parse_cifar_binary);
  check(bytes, kaem::parse_cifar_pickle);
  for (const auto& entry : kaem::parse_tar(bytes, "input"))
    if (entry.content.data() < bytes.data() ||
        entry.content.data() + entry.content.size() > bytes.data() + bytes.size())
      std::abort();
}
