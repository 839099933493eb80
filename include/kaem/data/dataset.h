#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kaem/core/rng.h"
#include "kaem/data/options.h"

namespace kaem {

struct Pca;

/// Training and test data in memory: bytes stay bytes until a batch is made.
struct Dataset {
  std::string name;
  std::array<int64_t, 3> shape{};        ///< channels, height, width; of text 1, 1, words of a sequence
  at::Tensor train, test;                ///< [N,C,H,W], uint8 (value/255) or float32 in [0,1] (test data of Darcy
                                         ///< fields may leave it a little: the scale is the training data's); of text
                                         ///< int32 [N,L], indices of words, -1 where there is none
  at::Tensor train_labels, test_labels;  ///< int64 [N], or undefined
  bool test_from_training = false;       ///< there is no test file: the test data are the last training records
  bool dequantize = false;
  bool flip = false;                    ///< mirrors each image of a training batch left to right with probability 1/2
  std::vector<std::string> vocabulary;  ///< of text: the word of each index; empty otherwise
  double scale_min = 0, scale_max = 1;  ///< of data scaled by its training minimum and maximum (Darcy)
  std::shared_ptr<const Pca> pca;       ///< of data that are coordinates on principal components, else null
  std::vector<std::string> notes;       ///< what was done that the user should know, a line each
  std::vector<std::pair<std::string, std::string>> sources;  ///< file path (or "solver") and SHA-256, for meta.json

  /// Must be called with the numbers (int64 [n]) of training rows before they are read from `train`, where it is set:
  /// images of a folder are checked when they are first asked for, and decoded again if need be. `batch` does so; any
  /// thread may.
  std::function<void(const at::Tensor& index)> prepare_rows;

  bool is_text() const { return !vocabulary.empty(); }

  int64_t steps_per_epoch(int64_t batch_size) const;

  /// Batch of update `step`: float32 [B, C·H·W] in [0,1]; of text the indices as they are. The order is a fresh
  /// permutation each epoch; the last partial batch is dropped. Depends on (seed, step) only. `dequantize`: (byte +
  /// U(0,1))/256, so that densities live on [0,1].
  at::Tensor batch(int64_t step, int64_t batch_size, const Rng& rng) const;

  /// Numbers of that batch's records in the training data: int64 [B].
  at::Tensor batch_index(int64_t step, int64_t batch_size, const Rng& rng) const;

  /// Rows `index` (int64 [n]) of a split as float32 [n, C·H·W] in [0,1]; of text the indices as they are.
  static at::Tensor to_float(const at::Tensor& split, const at::Tensor& index);

  /// The order of the epoch last asked for, since drawing it costs more than a batch. Makes `batch` not thread-safe.
  struct EpochOrder {
    uint64_t seed = 0;
    int64_t epoch = -1, size = -1;
    at::Tensor index;
  };
  mutable EpochOrder epoch_order;
};

/// Rows of records whose label is one of `classes`, or (`others`) none of them: labels int64 [N] -> int64 [n].
at::Tensor rows_of_classes(const at::Tensor& labels, const std::vector<int64_t>& classes, bool others = false);

/// Loads (and, unless offline, downloads) a data set; DataError names the file and what was found, ConfigError an
/// unknown name. With `use_pca` the data are projected on `pca`, or on components that are fitted here if it is null.
Dataset make_dataset(const DatasetOptions& options, std::shared_ptr<const Pca> pca = nullptr);

/// What the program knows about a data set, for `kaem data list` and `kaem info`.
struct DatasetInfo {
  std::string name, description, folder;
  std::vector<std::string> files;  ///< those it needs, as published; none where the program makes the data itself
  std::vector<std::string> urls;   ///< mirrors (KAEM_DATA_MIRROR, a base URL, replaces them)
  std::vector<std::string> found;  ///< paths found under the root, in the order of `files`; empty strings where absent
  std::string state;               ///< found, in part, absent; made here, ... where there are no files to look for
  std::array<int64_t, 3> shape{};  ///< channels, height, width as loaded; zeros where that depends on the files or keys
  bool complete = false;
  bool trainable = false;  ///< the training files are there, or none are needed
};
std::vector<DatasetInfo> list_datasets(const std::string& root);

/// Downloads the files of a data set into its folder below `root` (whole ones are kept), checks their published
/// checksums; nothing to do for data that the program makes itself. DataError if a file cannot be had.
void fetch_dataset(const std::string& name, const std::string& root, const DataProgress& progress = {});

/// Reads the files of a data set and compares their checksums with the published ones; returns a line per file, and
/// gives each to `report` once it is known. DataError at the end if a file is missing, unreadable or contradicts its
/// own header.
std::vector<std::string> verify_dataset(const std::string& name, const std::string& root,
                                        const std::function<void(const std::string& line)>& report = {});

}  // namespace kaem
