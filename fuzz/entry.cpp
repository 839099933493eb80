#include <cstddef>
#include <cstdint>

#include "fuzz/target.h"
#include "kaem/core/error.h"

/// The entry point that libFuzzer and replay.cpp call.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    kaem_fuzz({reinterpret_cast<const char*>(data), size});
  } catch (const kaem::DataError&) {
  } catch (const kaem::ConfigError&) {
  }
  return 0;
}
