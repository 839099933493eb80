#pragma once

#include <string_view>

namespace kaem::report {

/// The page without its data, which go where kDataMark stands.
extern const std::string_view kPage;
inline constexpr std::string_view kDataMark = "@KAEM_REPORT_DATA@";

}  // namespace kaem::report
