#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kaem/data/dataset.h"

namespace kaem {

struct DataSet;

/// Images and labels from four IDX files.
Dataset load_idx_images(const DataSet& set, const DatasetOptions& options);

/// Darcy fields, solved here or from a file.
Dataset load_darcy(const DataSet& set, const DatasetOptions& options);

/// Sequences of words: sentences that are tokenised already, or messages with labels.
Dataset load_sentences(const DataSet& set, const DatasetOptions& options);
Dataset load_messages(const DataSet& set, const DatasetOptions& options);

/// Lines of the text file that `options.root` names, or of all .txt files below it; the last ones are the test set (a
/// fifth, where N_test asks for more than half). And what there is, a line for each file.
Dataset load_own_text(const DataSet& set, const DatasetOptions& options);
void verify_own_text(const std::string& root, const std::function<void(const std::string&)>& add);

/// SVHN's cropped digits from MATLAB 5 files.
Dataset load_svhn(const DataSet& set, const DatasetOptions& options);
void check_svhn(std::string_view content, size_t index, const std::string& path);

/// CIFAR-10 from batches in its binary or Python form, in folders or in the published archives.
Dataset load_cifar(const DataSet& set, const DatasetOptions& options);
void check_cifar(std::string_view content, size_t index, const std::string& path);

/// CelebA's aligned faces from a folder or an archive: the centre 140x140, resized to 64x64 or `options.resize`.
Dataset load_celeba(const DataSet& set, const DatasetOptions& options);

/// All images below `options.root`, of a size of folder_shape or `options.resize`.
Dataset load_folder(const DataSet& set, const DatasetOptions& options);

/// Decodes all pictures of FOLDER or (`path`: the archive or a picture of the folder) of CELEBA; a line for each that
/// cannot be read, or one for all. DataError at the end if there is such a picture.
void verify_folder(const std::string& root, const std::function<void(const std::string&)>& add);
void verify_celeba(const std::string& path, const std::function<void(const std::string&)>& add);

/// Checks the header of file `index` of a set of four IDX files.
void check_idx(std::string_view content, size_t index, const std::string& path);

/// Reads all lines of such a file.
void check_sentences(std::string_view content, size_t index, const std::string& path);
void check_messages(std::string_view content, size_t index, const std::string& path);

/// Images [N,C,h,w], uint8 (value/255) or floating, as float32 [N,C,H,W]: bilinear, antialiased. `size` = H, W.
at::Tensor resize_images(const at::Tensor& images, const std::vector<int64_t>& size);

}  // namespace kaem
