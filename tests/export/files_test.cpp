// Tensors and samples of a run as files of others.
#include <gtest/gtest.h>

#include "export/support.h"
#include "kaem/export/draws.h"
#include "kaem/io/hdf5.h"
#include "kaem/io/safetensors.h"

#ifdef KAEM_WITH_HDF5
#include <hdf5.h>
#endif

namespace kaem::test {
namespace {

using at::Tensor;

TEST(Export, SafetensorsHoldTheModelAndItsConfiguration) {
  LoadedRun run = random_run(small_options("Morlet"), {1, 3, 4});
  run.step = 70;
  run.config.optimizer.ema_decay = 0.9;
  const TemporaryFolder folder;
  exports::Options options;
  options.out = folder / "m.safetensors";
  EXPECT_NE(exported(run, "safetensors", options).find("averages"), std::string::npos);
  const auto content = io::parse_safetensors(get(options.out), "m");
  size_t count = 0;
  for (const auto& p : run.model->named_parameters()) {
    ASSERT_TRUE(content.tensors.contains(p.key())) << p.key();
    EXPECT_TRUE(torch::equal(content.tensors.at(p.key()), p.value())) << p.key();
    ++count;
  }
  EXPECT_TRUE(content.tensors.contains("generator.layer0.knot_ends"));
  EXPECT_EQ(content.tensors.size(), count + run.model->buffers().size());
  EXPECT_EQ(content.metadata.at("step"), "70");
  EXPECT_EQ(content.metadata.at("shape"), "1,3,4");
  const Config config = parse_config(content.metadata.at("config"), "metadata");
  EXPECT_EQ(config.model.generator.widths, run.config.model.generator.widths);
  EXPECT_EQ(config.model.prior.basis.kind, "Morlet");
}

#ifdef KAEM_WITH_HDF5
/// [shape, numbers] of the data set `samples`, by the HDF5 library.
std::pair<std::vector<hsize_t>, std::vector<double>> data_set(const std::string& path) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "samples", H5P_DEFAULT),
              space = H5Dget_space(set);
  std::vector<hsize_t> shape(static_cast<size_t>(std::max(0, H5Sget_simple_extent_ndims(space))));
  H5Sget_simple_extent_dims(space, shape.data(), nullptr);
  std::vector<double> numbers(static_cast<size_t>(H5Sget_simple_extent_npoints(space)));
  EXPECT_GE(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()), 0);
  H5Sclose(space), H5Dclose(set), H5Fclose(file);
  return {shape, numbers};
}

TEST(Export, Hdf5HoldsTheSamplesInOrder) {
  const torch::NoGradGuard no_grad;
  ASSERT_TRUE(io::has_hdf5());
  LoadedRun run = random_run(small_options(), {3, 2, 4});
  const TemporaryFolder folder;
  exports::Options options;
  options.out = folder / "s.h5", options.count = 300;
  exported(run, "h5", options);
  const auto [shape, numbers] = data_set(options.out);
  EXPECT_EQ(shape, (std::vector<hsize_t>{300, 3, 2, 4}));
  const Tensor samples = exports::draw(run, Rng(run.config.run.seed), 300).samples;
  EXPECT_TRUE(torch::equal(torch::tensor(numbers, torch::kFloat), samples.flatten()));
  const std::string once = get(options.out);
  exported(run, "h5", options);
  EXPECT_EQ(get(options.out), once);
}

TEST(Export, Hdf5OfWordsHoldsTheirIndices) {
  const torch::NoGradGuard no_grad;
  ModelOptions text = small_options();
  text.generator.likelihood = "categorical";
  text.generator.seq.sequence_length = 5, text.generator.seq.vocab_size = 7, text.generator.seq.d_model = 8;
  LoadedRun run = random_run(text, {1, 1, 5});
  const TemporaryFolder folder;
  exports::Options options;
  options.out = folder / "s.h5", options.count = 9;
  exported(run, "h5", options);
  const auto [shape, numbers] = data_set(options.out);
  EXPECT_EQ(shape, (std::vector<hsize_t>{9, 5}));
  const Tensor words = exports::draw(run, Rng(run.config.run.seed), 9).samples;
  EXPECT_TRUE(torch::equal(torch::tensor(numbers, torch::kLong), words.flatten()));
}

TEST(Export, Hdf5SaysWhyItCannotBeWritten) {
  const std::vector<float> numbers = {1, 2};
  EXPECT_NE(message_of<Error>([&] { io::write_hdf5("/nowhere/at/all.h5", "samples", {2}, numbers); }).find("/nowhere"),
            std::string::npos);
}
#endif

}  // namespace
}  // namespace kaem::test
