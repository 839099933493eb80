#include <cstdlib>

#include "data/image_source.h"
#include "fuzz/as_file.h"
#include "fuzz/target.h"

/// Archives of pictures: every entry that is listed is read whole or refused.
void kaem_fuzz(std::string_view bytes) {
  const AsFile file(bytes);
  const auto source = kaem::open_image_archive(file.path());
  if (source->names().empty()) std::abort();
  for (size_t i = 0; i < source->names().size(); ++i) source->read(i);
}
