#include <ATen/ATen.h>
#include <gtest/gtest.h>
#ifdef KAEM_WITH_HDF5
#include <hdf5.h>
#endif
#include <torch/csrc/jit/serialization/pickle.h>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "support.h"
#include "support/files.h"

namespace kaem {
namespace {

using namespace test;

Dataset load(const std::string& name, const std::string& path, int64_t train, int64_t test) {
  return make_dataset({.name = name, .train_size = train, .test_size = test, .darcy_file = path});
}

/// Value of field n at row h, column w.
double flow(int n, int h, int w) { return n + 0.1 * h + 0.01 * w; }
bool high(int n, int h, int w) { return (n + h * 3 + w) % 2 == 1; }

/// Four fields of 2x3.
at::Tensor fields(bool permeability) {
  at::Tensor t = at::empty({4, 2, 3}, at::kDouble);
  for (int n = 0; n < 4; ++n)
    for (int h = 0; h < 2; ++h)
      for (int w = 0; w < 3; ++w) t[n][h][w] = permeability ? (high(n, h, w) ? 12.0 : 3.0) : flow(n, h, w);
  return t;
}

void expect_fields(const std::string& path) {
  const Dataset data = load("DARCY_FLOW", path, 3, 1);
  ASSERT_EQ(data.shape, (std::array<int64_t, 3>{1, 2, 3}));
  EXPECT_NEAR(data.scale_min, 0, 1e-6);
  EXPECT_NEAR(data.scale_max, flow(2, 1, 2), 1e-6);
  for (int n = 0; n < 3; ++n)
    for (int h = 0; h < 2; ++h)
      for (int w = 0; w < 3; ++w)
        EXPECT_NEAR(data.train[n][0][h][w].item<double>() * flow(2, 1, 2), flow(n, h, w), 1e-6);
  EXPECT_NEAR(data.test[0][0][1][0].item<double>() * flow(2, 1, 2), flow(3, 1, 0), 1e-6);
  const Dataset coefficient = load("DARCY_PERM", path, 3, 1);
  for (int n = 0; n < 3; ++n)
    for (int h = 0; h < 2; ++h)
      for (int w = 0; w < 3; ++w) EXPECT_EQ(coefficient.train[n][0][h][w].item<double>(), high(n, h, w) ? 1 : 0);
}

std::string raw(const at::Tensor& t) {
  const at::Tensor plain = t.contiguous();
  return {static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()};
}

void put_pt(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
  for (const auto& [name, tensor] : tensors) dict.insert(name, tensor);
  const auto bytes = torch::jit::pickle_save(dict);
  put(path, {bytes.data(), bytes.size()});
}

TEST(DarcyFiles, OfNeuraloperator) {
  const TemporaryFolder folder;
  const std::string path = folder / "darcy.pt";
  put_pt(path, {{"x", fields(true).gt(6)}, {"y", fields(false).to(at::kFloat)}});
  expect_fields(path);
  put_pt(path, {{"x", fields(true)}});
  expect_message(message_of<DataError>([&] { load("DARCY_FLOW", path, 3, 1); }), {path, "no tensor called one of y"});
  const std::string bytes = get(path);
  for (const size_t size : {size_t{0}, size_t{10}, bytes.size() / 2, bytes.size() - 4}) {
    put(path, bytes.substr(0, size));
    expect_message(message_of<DataError>([&] { load("DARCY_FLOW", path, 3, 1); }), {path, "zip archive"});
  }
}

TEST(DarcyFiles, OfTheFourierNeuralOperatorPaper) {
  const TemporaryFolder folder;
  const std::string path = folder / "piececonst.mat";
  const auto matlab = [](const at::Tensor& t) { return raw(t.permute({2, 1, 0})); };  // the first axis is the fastest
  put(path, mat_file({mat_matrix("coeff", {4, 2, 3}, 6, 9, matlab(fields(true))),
                      mat_matrix("sol", {4, 2, 3}, 6, 9, matlab(fields(false)))}));
  expect_fields(path);
  put(path, mat_file({mat_matrix("other", {4, 2, 3}, 6, 9, matlab(fields(true)))}));
  expect_message(message_of<DataError>([&] { load("DARCY_FLOW", path, 3, 1); }),
                 {path, "none of the arrays y, u_field"});
}

TEST(DarcyFiles, OtherNamesAndDamagedHdf5AreRefused) {
  const TemporaryFolder folder;
  put(folder / "f.h5", "no HDF5");
  const std::string message = message_of<DataError>([&] { load("DARCY_FLOW", folder / "f.h5", 3, 1); });
  expect_message(message, {folder / "f.h5", "HDF5"});
  expect_message(message_of<ConfigError>([&] { load("DARCY_FLOW", folder / "f.csv", 3, 1); }), {"f.csv", ".npy, .pt"});
}

#ifdef KAEM_WITH_HDF5
void put_hdf5(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor plain = tensor.to(at::kFloat).contiguous();
    const std::vector<hsize_t> sizes(plain.sizes().begin(), plain.sizes().end());
    const hid_t space = H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
    const hid_t data = H5Dcreate2(file, name.c_str(), H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, plain.const_data_ptr());
    H5Dclose(data), H5Sclose(space);
  }
  H5Gclose(H5Gcreate2(file, "more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Fclose(file);
}

TEST(DarcyFiles, OfPdeBench) {
  const TemporaryFolder folder;
  const std::string path = folder / "2D_DarcyFlow_beta1.0_Train.hdf5";
  put_hdf5(path, {{"nu", fields(true)}, {"tensor", fields(false).unsqueeze(1)}, {"x-coordinate", at::zeros({2})}});
  expect_fields(path);
  put_hdf5(path, {{"velocity", fields(true)}});
  expect_message(message_of<DataError>([&] { load("DARCY_FLOW", path, 3, 1); }),
                 {path, "none of the data sets y, u_field, sol, u, tensor; it holds more (group), velocity [4,2,3]"});
}
#endif

/// Real files, where KAEM_DATA_DIR holds them.
std::string real(const std::string& name) {
  const char* folder = std::getenv("KAEM_DATA_DIR");
  const std::string path = folder == nullptr ? "" : str(folder, "/darcy/", name);
  return std::filesystem::exists(path) ? path : "";
}

TEST(RealDarcyFiles, NeuraloperatorsEqualTheirArrays) {
  const std::string path = real("darcy_train_16.pt");
  if (path.empty()) GTEST_SKIP() << "no darcy/darcy_train_16.pt in KAEM_DATA_DIR";
  const Dataset y = load("DARCY_FLOW", path, 1000, 0), x = load("DARCY_PERM", path, 1000, 0);
  ASSERT_EQ(y.train.sizes(), at::IntArrayRef({1000, 1, 16, 16}));
  EXPECT_NEAR(y.scale_min, -0.42788, 5e-6);
  EXPECT_NEAR(y.scale_max, 2.05719, 5e-6);
  const at::Tensor values = y.train.to(at::kDouble) * (y.scale_max - y.scale_min) + y.scale_min;
  EXPECT_NEAR(values.mean().item<double>(), 0.386316, 1e-6);
  EXPECT_NEAR(values.std().item<double>(), 0.339972, 1e-6);
  EXPECT_NEAR(x.train.mean().item<double>(), 0.499445, 1e-6);
  EXPECT_TRUE(at::equal(y.train, load("DARCY_FLOW", real("darcy_train_16_y.npy"), 1000, 0).train));
  EXPECT_TRUE(at::equal(x.train, load("DARCY_PERM", real("darcy_train_16_x.npy"), 1000, 0).train));
}

TEST(RealDarcyFiles, Matlab73HasTheSampleAxisFirst) {
  const std::string path = real("Darcy_2D_data_test.mat");
  if (path.empty()) GTEST_SKIP() << "no darcy/Darcy_2D_data_test.mat in KAEM_DATA_DIR";
  try {
    const Dataset u = load("DARCY_FLOW", path, 100, 0), a = load("DARCY_PERM", path, 100, 0);
    ASSERT_EQ(u.train.sizes(), at::IntArrayRef({100, 1, 32, 32}));
    EXPECT_NEAR(u.scale_max, 0.323337, 1e-6);
    EXPECT_NEAR(u.train.mean().item<double>() * u.scale_max, 0.129706, 1e-6);
    // Fields are smooth and vanish on the boundary: the axes are those of the plane.
    EXPECT_LT(u.train.select(2, 0).max().item<double>(), 0.02);
    EXPECT_LT(u.train.select(3, 31).max().item<double>(), 0.02);
    EXPECT_TRUE(a.train.eq(0).logical_or(a.train.eq(1)).all().item<bool>());
  } catch (const DataError& error) {
    if (std::string(error.what()).find("built without") == std::string::npos) throw;
    GTEST_SKIP() << error.what();
  }
}

}  // namespace
}  // namespace kaem
