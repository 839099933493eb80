#pragma once

#include "kaem/export/format.h"

namespace kaem::exports {

Format lookup_format();
Format torchscript_format();
Format safetensors_format();
Format hdf5_format();

/// Nothing stands in the way of any run.
inline std::string no_obstacle(const LoadedRun&) { return ""; }

/// "40x21": sizes of a tensor.
std::string sizes_text(at::IntArrayRef sizes);

}  // namespace kaem::exports
