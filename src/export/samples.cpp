#include <ATen/ATen.h>

#include "export/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/export/draws.h"
#include "kaem/io/hdf5.h"

namespace kaem::exports {
namespace {

constexpr const char* kDataSet = "samples";  // what the reference calls it

std::string hdf5_missing(const LoadedRun&) {
  return io::has_hdf5() ? "" : "this program was built without HDF5 (install libhdf5-dev and build again)";
}

std::string write_samples(LoadedRun& run, const Options& options, const Rng& rng) {
  const at::Tensor samples = draw(run, rng, options.count).samples.contiguous();
  const auto count = static_cast<size_t>(samples.numel());
  if (is_text(run))
    io::write_hdf5(options.out, kDataSet, samples.sizes().vec(), {samples.const_data_ptr<int64_t>(), count});
  else
    io::write_hdf5(options.out, kDataSet, samples.sizes().vec(), {samples.const_data_ptr<float>(), count});
  return str("data set ", kDataSet, ": ", grouped(options.count), " samples of ", sizes_text(samples.sizes().slice(1)),
             is_text(run) ? ", int64 [N,L]\n" : ", float32 [N,C,H,W]\n");
}

}  // namespace

Format hdf5_format() {
  return {"h5",
          "samples as an HDF5 file in the reference's layout (-n, --seed)",
          {".h5", ".hdf5"},
          "samples",
          {"count", "seed"},
          hdf5_missing,
          write_samples};
}

}  // namespace kaem::exports
