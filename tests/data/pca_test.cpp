#include "kaem/data/pca.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "kaem/core/error.h"
#include "kaem/io/file.h"
#include "support/files.h"

namespace kaem {
namespace {

using at::Tensor;

/// `records` pictures of the shape whose principal variances fall off as 1/k².
Dataset pictures(int64_t records, std::array<int64_t, 3> shape, int64_t kinds) {
  const Rng rng(4);
  const int64_t size = shape[0] * shape[1] * shape[2];
  const Tensor scale = 0.2 / at::arange(1, kinds + 1, at::kFloat);
  const Tensor latent = rng.normal(Stream::kTest, 0, {records + 5, kinds}) * scale;
  const Tensor directions =
      std::get<0>(at::linalg_qr(rng.normal(Stream::kTest, 1, {size, kinds}, at::TensorOptions(at::kDouble))))
          .to(at::kFloat);
  const Tensor x = (latent.matmul(directions.t()) + rng.uniform(Stream::kTest, 2, {size}))
                       .reshape({records + 5, shape[0], shape[1], shape[2]});
  Dataset data;
  data.name = "TEST", data.shape = shape;
  data.train = x.narrow(0, 0, records).contiguous(), data.test = x.narrow(0, records, 5).contiguous();
  return data;
}

double largest(const Tensor& t) { return t.abs().max().item<double>(); }

TEST(PrincipalComponents, AreOrthonormalUncorrelatedAndInOrder) {
  const Dataset data = pictures(600, {3, 4, 4}, 48);
  const Pca pca = fit_pca(data, 10);
  const Tensor v = pca.components.to(at::kDouble);
  EXPECT_LT(largest(v.matmul(v.t()) - at::eye(10, at::kDouble)), 1e-6);
  const Tensor y = pca.project(data.train).to(at::kDouble);
  ASSERT_EQ(y.sizes(), (std::vector<int64_t>{600, 10}));
  EXPECT_LT(largest(y.mean(0)), 1e-6);
  const Tensor covariance = y.t().matmul(y) / 600, variance = covariance.diagonal();
  EXPECT_LT(largest(covariance - variance.diag()), 1e-6 * largest(variance));
  EXPECT_TRUE((variance.narrow(0, 0, 9) > variance.narrow(0, 1, 9)).all().item<bool>());
  // The largest entry of each is positive.
  EXPECT_TRUE((v.amax(1) >= v.abs().amax(1)).all().item<bool>());
  // What they carry and what they leave is all there is, and the share is the one stated.
  const Tensor left = (pca.reconstruct(y.to(at::kFloat)) - data.train).to(at::kDouble);
  const double carried = variance.sum().item<double>(), rest = left.square().sum().item<double>() / 600;
  const Tensor centred = data.train.to(at::kDouble) - data.train.to(at::kDouble).mean(0);
  EXPECT_NEAR(carried + rest, centred.square().sum().item<double>() / 600, 1e-6);
  EXPECT_NEAR(pca.explained, carried / (carried + rest), 1e-6);
}

TEST(PrincipalComponents, AllOfThemGiveTheRecordsBack) {
  const Dataset data = pictures(100, {1, 3, 4}, 12);
  const Pca pca = fit_pca(data, 12);
  EXPECT_LT(largest(pca.reconstruct(pca.project(data.test)) - data.test), 1e-6);
  EXPECT_NEAR(pca.explained, 1, 1e-9);
  // Distances are kept, so that a likelihood's σ keeps its meaning.
  const Tensor y = pca.project(data.test), x = data.test.flatten(1);
  EXPECT_LT(largest(at::cdist(y, y) - at::cdist(x, x)), 1e-5);
}

TEST(PrincipalComponents, OfLargeRecordsAreThoseOfTheGramMatrix) {
  const Dataset data = pictures(80, {1, 65, 64}, 60);  // 4160 numbers: more than are decomposed as a whole
  const Pca pca = fit_pca(data, 8);
  const Tensor x = data.train.flatten(1).to(at::kDouble), centred = x - x.mean(0);
  const auto [values, vectors] = at::linalg_eigh(centred.matmul(centred.t()));  // the same spectrum, from 80x80
  const Tensor expected = centred.t().matmul(vectors.narrow(1, 72, 8)) /
                          values.narrow(0, 72, 8).sqrt();  // ascending: the last is the first
  const Tensor cosine = (pca.components.to(at::kDouble).flip(0) * expected.t()).sum(1).abs();
  EXPECT_LT(largest(1 - cosine), 1e-6);
}

TEST(PrincipalComponents, LazyRecordsAreMadeReadyFirst) {
  Dataset data = pictures(700, {1, 2, 3}, 6);
  const Pca expected = fit_pca(data, 3);
  const Tensor records = data.train;
  data.train = at::zeros_like(records);
  data.prepare_rows = [&](const Tensor& index) { data.train.index_copy_(0, index, records.index_select(0, index)); };
  EXPECT_TRUE(at::equal(fit_pca(data, 3).components, expected.components));
}

TEST(PrincipalComponents, ProjectedDataAreCoordinates) {
  Dataset data = pictures(40, {1, 4, 4}, 16);
  data.flip = data.dequantize = true;
  const auto pca = std::make_shared<Pca>(fit_pca(data, 5));
  const Dataset projected = project(data, pca);
  EXPECT_EQ(projected.shape, (std::array<int64_t, 3>{1, 1, 5}));
  EXPECT_EQ(projected.train.sizes(), (std::vector<int64_t>{40, 1, 1, 5}));
  EXPECT_EQ(projected.pca, pca);
  EXPECT_FALSE(projected.flip || projected.dequantize);
  EXPECT_TRUE(at::equal(projected.test.flatten(1), pca->project(data.test)));
  const Rng rng(1);
  const Tensor x = projected.batch(3, 8, rng), index = projected.batch_index(3, 8, rng);
  EXPECT_TRUE(at::allclose(x, pca->project(data.train.index_select(0, index)), 1e-6, 1e-7));
}

TEST(PrincipalComponents, TheirFileGivesThemBack) {
  const test::TemporaryFolder temp;
  const Pca pca = fit_pca(pictures(30, {3, 2, 2}, 12), 4);
  write_pca(temp / "pca.safetensors", pca);
  const Pca read = parse_pca(io::read_file(temp / "pca.safetensors"), temp / "pca.safetensors");
  EXPECT_EQ(read.shape, pca.shape);
  EXPECT_EQ(read.explained, pca.explained);
  EXPECT_TRUE(at::equal(read.mean, pca.mean) && at::equal(read.components, pca.components));
  Pca wrong = pca;
  wrong.shape = {3, 2, 3};
  write_pca(temp / "wrong.safetensors", wrong);
  EXPECT_THROW(parse_pca(io::read_file(temp / "wrong.safetensors"), temp / "wrong.safetensors"), DataError);
  wrong = pca, wrong.mean = wrong.mean.to(at::kDouble);
  write_pca(temp / "wrong.safetensors", wrong);
  EXPECT_THROW(parse_pca(io::read_file(temp / "wrong.safetensors"), temp / "wrong.safetensors"), DataError);
}

TEST(PrincipalComponents, MoreThanThereAreIsRefused) {
  Dataset data = pictures(9, {1, 4, 4}, 8);
  try {
    fit_pca(data, 9);
    ADD_FAILURE() << "9 records span 8 directions";
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()),
              "[PCA] pca_components = 9: expected 1 to 8 (TEST has 16 numbers a record, 9 training records)");
  }
  EXPECT_NO_THROW(fit_pca(data, 8));
  data.vocabulary = {"a"};
  EXPECT_THROW(fit_pca(data, 2), ConfigError);
}

}  // namespace
}  // namespace kaem
