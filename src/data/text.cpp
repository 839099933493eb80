#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem {

Dataset load_text(const DataSet& set, const DatasetOptions&) {
  throw ConfigError(str("data set ", set.name, " is not built yet"));
}

}  // namespace kaem
