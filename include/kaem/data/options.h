#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kaem {

/// Told how far a download (bytes), the Darcy solver (fields) or decoding (pictures) has come; `total` is 0 where
/// unknown.
using DataProgress = std::function<void(const std::string& what, int64_t done, int64_t total)>;

/// What the records of a data set are.
enum class DataKind {
  kImages,    ///< arrays of pixels
  kPictures,  ///< encoded pictures, which are decoded when they are first asked for
  kFields,    ///< made by the program
  kText
};

/// What is known of a data set without its data.
struct DatasetTraits {
  std::string_view name;
  DataKind kind = DataKind::kImages;
  std::string_view config;  ///< its configuration file in config/
  std::string_view tuning;  ///< that of a search; empty: the same
};

/// What --dataset may be.
std::vector<std::string> dataset_names();

/// The data set of that name (case ignored); ConfigError if there is none.
DatasetTraits dataset_traits(std::string_view name);

struct DatasetOptions {
  std::string name = "DARCY_FLOW";      ///< as typed after --dataset (case ignored)
  std::string root = "data";            ///< --data-dir, KAEM_DATA_DIR
  int64_t train_size = 50000;           ///< [TRAINING] N_train
  int64_t test_size = 100;              ///< [TRAINING] N_test
  std::vector<int64_t> resize = {};     ///< [DATA] resize, --resize HxW: H, W, or empty
  std::string darcy_file = {};          ///< [DATA] darcy_file
  std::string damaged = "stop";         ///< [DATA] damaged: stop or skip, of pictures that cannot be read
  std::vector<int64_t> leave_out = {};  ///< [DATA] leave_out: classes whose records are not taken
  bool dequantize = false;              ///< [TRAINING] dequantize: adds U(0,1)/256 to byte data
  bool random_flip = false;             ///< [DATA] random_flip: mirrors training images left to right at random
  bool use_pca = false;                 ///< [PCA] use_pca: coordinates on principal components instead of pixels
  int64_t pca_components = 50;          ///< [PCA] pca_components
  bool offline = false;                 ///< --offline: never download
  uint64_t seed = 1;                    ///< of the Darcy permeability fields
  int64_t sequence_length = -1;         ///< of text: [SEQ] sequence_length
  int64_t vocab_size = 1000;            ///< of text: [SEQ] vocab_size
  DataProgress progress = {};           ///< called in the calling thread
};

}  // namespace kaem
