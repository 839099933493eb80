#include "data/formats/hdf5.h"

#include <cstdlib>

#include "fuzz/as_file.h"
#include "fuzz/target.h"

/// HDF5 files: numbers for every element of the shape.
void kaem_fuzz(std::string_view bytes) {
  const AsFile file(bytes);
  const kaem::Hdf5Array array = kaem::read_hdf5(file.path(), {"x", "y"});
  size_t count = 1;
  for (const int64_t size : array.shape) count *= static_cast<size_t>(size);
  if (count != array.numbers.size()) std::abort();
}
