#pragma once

#include <string_view>

namespace kaem {

/// Version of the project, as in CMakeLists.txt.
std::string_view version();

/// Git revision that was configured ("abc1234", with "-dirty" if files were changed); empty: not built from a
/// repository.
std::string_view git_revision();

/// Version of LibTorch that was built against.
std::string_view libtorch_version();

}  // namespace kaem
