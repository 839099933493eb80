#include "kaem/core/table.h"
#include "export/rows.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::exports {

std::vector<Format> all_formats() {
  return {lookup_format(), torchscript_format(), safetensors_format(), hdf5_format()};
}

std::vector<std::string> format_names() { return names_of(all_formats()); }

Format format_of(const std::string& name) {
  for (const Format& format : all_formats())
    if (same_name(format.name, name)) return format;
  throw UsageError(unknown_name_message("format", name, format_names()));
}

std::string sizes_text(at::IntArrayRef sizes) {
  std::string text;
  for (const int64_t size : sizes) text += str(text.empty() ? "" : "x", size);
  return text;
}

}  // namespace kaem::exports
