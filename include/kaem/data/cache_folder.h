#pragma once

#include <string>

namespace kaem {

/// ${XDG_CACHE_HOME:-~/.cache}/kaem, which need not exist; empty where neither variable is set.
std::string cache_folder();

}  // namespace kaem
