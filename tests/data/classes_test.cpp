#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <iterator>
#include <vector>

#include "data/idx_files.h"
#include "kaem/core/error.h"
#include "kaem/data/dataset.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::message_of;
using test::TemporaryFolder;
using test::idx::pixel;
using test::idx::put_files;

TEST(Classes, AreLeftOutOfBothParts) {
  const TemporaryFolder root;
  put_files(root, {});
  DatasetOptions options{
      .name = "MNIST", .root = root.str(), .train_size = 25, .test_size = 8, .leave_out = {4, 7}, .offline = true};
  const Dataset data = make_dataset(options);
  std::vector<int64_t> rows;  // of the file: labels are i % 10
  for (int64_t i = 0; i < 25; ++i)
    if (i % 10 != 4 && i % 10 != 7) rows.push_back(i);
  ASSERT_EQ(data.train.size(0), std::ssize(rows));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    EXPECT_EQ(data.train_labels[at].item<int64_t>(), rows[i] % 10);
    EXPECT_EQ(data.train[at].flatten()[5].item<int>(), pixel(rows[i], 5));
  }
  EXPECT_EQ(data.test.size(0), 6);  // labels 3 to 9 and 0
  EXPECT_EQ(data.notes.back(), "MNIST: 5 training and 2 test records of the classes left out (4,7) are not taken");
  options.leave_out = {12};
  EXPECT_EQ(message_of<ConfigError>([&] { make_dataset(options); }),
            "[DATA] leave_out = 12: no training record of MNIST has the label 12");
  options.leave_out = {0}, options.name = "DARCY_PERM", options.train_size = 2, options.test_size = 1;
  EXPECT_EQ(message_of<ConfigError>([&] { make_dataset(options); }),
            "[DATA] leave_out = 0: the records of DARCY_PERM have no labels");
}

}  // namespace
}  // namespace kaem
