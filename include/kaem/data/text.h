#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

/// Sequences of words as indices into a vocabulary. Index 0 is `<unk>`, 1 is `<eos>`, negative ones are no word.
namespace kaem {

/// One line a row of `words` (integers or whole floats [N,L]): words joined by blanks up to `<eos>` or the first
/// index below 0. An index that the vocabulary does not reach is shown as `<unk>`.
std::vector<std::string> to_lines(const at::Tensor& words, const std::vector<std::string>& vocabulary);

/// Entropy of the relative frequencies of the words [N,L], in nats per word; DataError if there is none.
double unigram_entropy(const at::Tensor& words);

/// Mean -log p of the words in `test` under the relative frequencies of those in `train`, in nats per word. Each of
/// `vocab_size` words is counted once more than it stands there, so that none is impossible.
double unigram_cross_entropy(const at::Tensor& train, const at::Tensor& test, int64_t vocab_size);

/// A vocabulary as a file of one word a line (Error if it cannot be written), and its content, called `name` in the
/// DataError of one that is no vocabulary, back again.
void write_vocabulary(const std::string& path, const std::vector<std::string>& vocabulary);
std::vector<std::string> parse_vocabulary(const std::string& content, const std::string& name);

}  // namespace kaem
