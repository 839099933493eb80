#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// zlib streams inside files of other formats, without torch.
namespace kaem {

/// Unpacks the zlib stream at the start of `bytes`; stops after `max_bytes` without asking for more. DataError names
/// `name` if the stream is damaged or ends early.
std::string inflate_zlib(std::string_view bytes, size_t max_bytes, const std::string& name);

}  // namespace kaem
