#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "kaem/data/dataset.h"

/// What all sets of small images have in common once their files are read.
namespace kaem {

struct Records {
  at::Tensor images;  ///< uint8 [N,C,H,W]
  at::Tensor labels;  ///< int64 [N]
};

/// The bytes of a file, noted with its SHA-256 in `data.sources`.
std::string read_source(const std::string& path, Dataset& data);

/// Fills images, labels and shape of `data`: the first N_train and N_test records (all, with a note, if there are
/// fewer); without `test`, whose absence `missing_test` explains, the last training records serve and are no longer
/// trained on. Then `options.resize`.
void set_images(Dataset& data, Records train, std::optional<Records> test, const std::string& missing_test,
                const DatasetOptions& options);

/// How many of `available` training images are left when the last `count` of them are the test set, with a note;
/// DataError if they are too few.
int64_t split_off(int64_t available, int64_t count, const std::string& missing_test, Dataset& data);

/// The smaller of the two, with a note if fewer are available than asked for.
int64_t taken(int64_t available, int64_t count, const char* what, const char* key, Dataset& data);

}  // namespace kaem
