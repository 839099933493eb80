#include "data/formats/text.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "data/loaders.h"
#include "data/registry.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

using text::Words;

/// Sequences of one file, and their labels where it has some.
struct Records {
  std::vector<Words> lines;
  std::vector<int64_t> labels;
  int64_t size() const { return static_cast<int64_t>(lines.size()); }
};

using Read = Records (*)(std::string_view file, const std::string& path);

Records read_sentences(std::string_view file, const std::string& path) {
  return {text::read_tokenised(file, path), {}};
}

Records read_labelled(std::string_view file, const std::string& path) {
  auto [lines, labels] = text::read_messages(file, path);
  return {std::move(lines), std::move(labels)};
}

Records read_plain(std::string_view file, const std::string& path) { return {text::read_lines(file, path), {}}; }

/// The file that `root` names, or all .txt files below it, in the order of their names.
std::vector<std::string> text_files(const std::string& root) {
  namespace fs = std::filesystem;
  std::error_code fault;
  if (fs::is_regular_file(root, fault)) return {root};
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied, fault), end;
       !fault && entry != end; entry.increment(fault)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (name.ends_with(".txt") && !name.starts_with('.') && entry->is_regular_file(ignored))
      paths.push_back(entry->path().string());
  }
  if (paths.empty()) throw DataError(root + ": expected a text file, or a folder with .txt files (--data-dir)");
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Records of a file, which is noted with its SHA-256 in `sources`.
Records read_source(Read read, const std::string& path, Dataset& data) {
  const std::string file = io::read_file(path);
  data.sources.emplace_back(path, io::sha256(file));
  Records records = read(io::is_gzip(file) ? io::gunzip(file, path) : file, path);
  if (records.size() == 0) throw DataError(path + ": holds no text");
  return records;
}

/// Keeps `count` records from number `first` on.
void keep(Records& records, int64_t first, int64_t count) {
  const auto cut = [&](auto& list) {
    if (list.empty()) return;
    list.erase(list.begin() + first + count, list.end());
    list.erase(list.begin(), list.begin() + first);
  };
  cut(records.lines), cut(records.labels);
}

/// The first `count` records, all (with a note) if there are fewer.
void keep_first(Records& records, int64_t count, const char* what, const char* key, Dataset& data) {
  if (count > records.size())
    data.notes.push_back(str(data.name, ": ", records.size(), " ", what, " sequences found, ", count, " asked for (",
                             key, "): all are used"));
  keep(records, 0, std::min(count, records.size()));
}

/// Without a test file the last training records serve, and are not trained on.
Records split_off_test(Records& train, int64_t count, Dataset& data) {
  const int64_t rest = train.size() - count;
  if (rest < 1)
    throw DataError(str(data.sources.front().first, ": ", train.size(), " sequences cannot give ", count,
                        " test sequences (N_test) and training data"));
  data.notes.push_back(str(data.name, ": no test file, so the last ", count, " sequences are the test set"));
  Records test = train;
  keep(test, rest, count), keep(train, 0, rest);
  data.test_from_training = true;
  return test;
}

/// The last file that is there of those for tests: the validation file serves where the test file is missing.
std::string test_path(const LocatedFiles& files) {
  for (size_t i = files.paths.size(); i-- > 1;)
    if (!files.paths[i].empty()) return files.one(i);
  return "";
}

at::Tensor indices(const Records& records, const std::vector<std::string>& vocabulary, int64_t length) {
  const auto numbers = text::encode(records.lines, vocabulary, length);
  at::Tensor tensor = at::empty({records.size(), length}, at::kInt);
  std::copy(numbers.begin(), numbers.end(), tensor.mutable_data_ptr<int32_t>());
  return tensor;
}

at::Tensor labels(const Records& records) {
  if (records.labels.empty()) return {};
  at::Tensor tensor = at::empty({records.size()}, at::kLong);
  std::copy(records.labels.begin(), records.labels.end(), tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

/// What the vocabulary and the length leave of the text, and what word frequencies alone say of it.
void note_losses(const Records& train, const DatasetOptions& options, Dataset& data) {
  const auto size = static_cast<int64_t>(data.vocabulary.size());
  if (size < options.vocab_size)
    data.notes.push_back(str(data.name, ": the training data have ", size,
                             " words with <unk> and <eos>; the model's [SEQ] vocab_size stays ", options.vocab_size));
  const auto cut = std::count_if(train.lines.begin(), train.lines.end(), [&](const Words& line) {
    return static_cast<int64_t>(line.size()) > options.sequence_length;
  });
  const double unknown = data.train.eq(text::kUnknownIndex).sum().item<double>(),
               tokens = data.train.ge(0).sum().item<double>();
  data.notes.push_back(str(data.name, ": ", train.size(), " training sequences, ", fixed(tokens, 0),
                           " tokens, of which ", fixed(100 * unknown / tokens, 1), " % are <unk>; ",
                           fixed(100.0 * static_cast<double>(cut) / static_cast<double>(train.size()), 1),
                           " % of the sequences are cut at ", options.sequence_length, " words"));
  const double entropy = unigram_entropy(data.train);
  std::string note = str(data.name, ": unigram entropy ", fixed(entropy, 4), " nats per token (perplexity ",
                         fixed(std::exp(entropy), 1), ")");
  if (data.test.size(0) > 0)
    note += str("; of the test tokens ", fixed(unigram_cross_entropy(data.train, data.test, options.vocab_size), 4));
  data.notes.push_back(note);
}

void check_options(const DataSet& set, const DatasetOptions& options) {
  if (options.sequence_length < 1 || options.vocab_size < 2)
    throw ConfigError(str("data set ", set.name, ": expected [SEQ] sequence_length >= 1 and vocab_size >= 2, got ",
                          options.sequence_length, " and ", options.vocab_size));
}

/// Vocabulary and word indices of both sets.
void finish(Records train, Records test, const DatasetOptions& options, Dataset& data) {
  keep_first(train, options.train_size, "training", "N_train", data);
  keep_first(test, options.test_size, "test", "N_test", data);
  data.vocabulary = text::make_vocabulary(train.lines, options.vocab_size);
  data.train = indices(train, data.vocabulary, options.sequence_length);
  data.test = indices(test, data.vocabulary, options.sequence_length);
  data.train_labels = labels(train), data.test_labels = labels(test);
  data.shape = {1, 1, options.sequence_length};
  note_losses(train, options, data);
}

Dataset load(const DataSet& set, const DatasetOptions& options, Read read) {
  check_options(set, options);
  const LocatedFiles files = locate_files(set, options.root, options.offline, options.progress);
  Dataset data;
  data.name = set.name;
  Records train = read_source(read, files.one(0), data), test;
  const std::string path = test_path(files);
  if (path.empty()) {
    test = split_off_test(train, options.test_size, data);
  } else {
    test = read_source(read, path, data);
    if (files.paths.back().empty()) data.notes.push_back(str(data.name, ": no test file, so ", path, " serves"));
  }
  finish(std::move(train), std::move(test), options, data);
  return data;
}

}  // namespace

Dataset load_sentences(const DataSet& set, const DatasetOptions& options) { return load(set, options, read_sentences); }
Dataset load_messages(const DataSet& set, const DatasetOptions& options) { return load(set, options, read_labelled); }

Dataset load_own_text(const DataSet& set, const DatasetOptions& options) {
  check_options(set, options);
  Dataset data;
  data.name = set.name;
  Records train;
  for (const auto& path : text_files(options.root)) {
    const Records more = read_source(read_plain, path, data);
    train.lines.insert(train.lines.end(), more.lines.begin(), more.lines.end());
  }
  const int64_t lines = train.size();
  Records test = split_off_test(train, 2 * options.test_size <= lines ? options.test_size : lines / 5, data);
  finish(std::move(train), std::move(test), options, data);
  return data;
}

void verify_own_text(const std::string& root, const std::function<void(const std::string&)>& add) {
  for (const auto& path : text_files(root)) {
    const std::string file = io::read_file(path);
    const Records records = read_plain(io::is_gzip(file) ? io::gunzip(file, path) : file, path);
    add(str(path, ": ", records.size(), " lines of text, readable, SHA-256 ", io::sha256(file)));
  }
}

void check_sentences(std::string_view content, size_t, const std::string& path) { read_sentences(content, path); }
void check_messages(std::string_view content, size_t, const std::string& path) { read_labelled(content, path); }

}  // namespace kaem
