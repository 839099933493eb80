#include "kaem/data/cache_folder.h"

#include <cstdlib>

#include "kaem/core/str.h"

namespace kaem {

std::string cache_folder() {
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  if (xdg != nullptr && *xdg == '/') return str(xdg, "/kaem");  // the standard ignores relative paths
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? str(home, "/.cache/kaem") : "";
}

}  // namespace kaem
