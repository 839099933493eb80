#include <ATen/ATen.h>

#include "data/formats/text.h"
#include "kaem/core/error.h"
#include "kaem/data/text.h"
#include "kaem/io/file.h"

namespace kaem {
namespace {

/// How often each index from 0 on stands in `words`: float64 [at least `size`].
at::Tensor counts(const at::Tensor& words, int64_t size) {
  const at::Tensor index = words.to(at::kCPU, at::kLong).flatten();
  const at::Tensor there = index.masked_select(index >= 0);
  if (there.numel() == 0) throw DataError("these sequences hold no word at all");
  return at::bincount(there, {}, size).to(at::kDouble);
}

}  // namespace

std::vector<std::string> to_lines(const at::Tensor& words, const std::vector<std::string>& vocabulary) {
  const at::Tensor rows = words.to(at::kCPU, at::kLong).contiguous();
  const int64_t length = rows.size(1);
  std::vector<std::string> lines;
  for (int64_t n = 0; n < rows.size(0); ++n) {
    const int64_t* const row = rows.const_data_ptr<int64_t>() + n * length;
    std::string& line = lines.emplace_back();
    for (int64_t l = 0; l < length && row[l] >= 0 && row[l] != text::kEndIndex; ++l) {
      const auto index = static_cast<size_t>(row[l]);
      if (l > 0) line += ' ';
      line += index < vocabulary.size() ? std::string_view(vocabulary[index]) : text::kUnknown;
    }
  }
  return lines;
}

double unigram_entropy(const at::Tensor& words) {
  const at::Tensor count = counts(words, 0), share = count / count.sum();
  return -at::xlogy(share, share).sum().item<double>();
}

double unigram_cross_entropy(const at::Tensor& train, const at::Tensor& test, int64_t vocab_size) {
  const at::Tensor seen = counts(train, vocab_size) + 1, asked = counts(test, vocab_size);
  TORCH_CHECK_VALUE(seen.size(0) == vocab_size && asked.size(0) == vocab_size,
                    "unigram_cross_entropy: expected indices below ", vocab_size);
  return -(asked * (seen / seen.sum()).log()).sum().item<double>() / asked.sum().item<double>();
}

void write_vocabulary(const std::string& path, const std::vector<std::string>& vocabulary) {
  io::write_file_atomic(path, text::format_vocabulary(vocabulary));
}

std::vector<std::string> parse_vocabulary(const std::string& content, const std::string& name) {
  return text::parse_vocabulary(content, name);
}

}  // namespace kaem
