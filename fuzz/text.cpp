#include "data/formats/text.h"

#include <cstdlib>

#include "fuzz/target.h"
#include "kaem/core/error.h"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

/// Words written out are read back, and so is their vocabulary; indices lie in it and end as they should.
void check(const std::vector<kaem::text::Words>& lines) {
  constexpr int64_t kSize = 5, kLength = 4;
  std::string joined = "\n";  // a byte order mark that is part of a word does not stand at the beginning
  std::vector<kaem::text::Words> filled;
  for (const auto& line : lines) {
    for (const auto& word : line) joined += word + " ";
    joined += "\n";
    if (!line.empty()) filled.push_back(line);
  }
  demand(kaem::text::read_tokenised(joined, "again") == filled);
  const auto vocabulary = kaem::text::make_vocabulary(lines, kSize);
  demand(vocabulary.size() <= kSize);
  demand(kaem::text::parse_vocabulary(kaem::text::format_vocabulary(vocabulary), "again") == vocabulary);
  const auto indices = kaem::text::encode(lines, vocabulary, kLength);
  demand(indices.size() == lines.size() * kLength);
  for (size_t i = 0; i < indices.size(); ++i) {
    demand(indices[i] >= kaem::text::kNoWord && indices[i] < static_cast<int32_t>(vocabulary.size()));
    const bool ended = i % kLength > 0 && (indices[i - 1] == kaem::text::kEndIndex || indices[i - 1] < 0);
    demand(ended == (indices[i] < 0));
  }
}

template <class Read>
void attempt(Read&& read) {
  try {
    read();
  } catch (const kaem::DataError&) {
  }
}

}  // namespace

/// Texts of all kinds and vocabularies.
void kaem_fuzz(std::string_view bytes) {
  attempt([&] { check(kaem::text::read_tokenised(bytes, "input")); });
  attempt([&] { check(kaem::text::read_lines(bytes, "input")); });
  attempt([&] {
    const auto messages = kaem::text::read_messages(bytes, "input");
    demand(messages.labels.size() == messages.lines.size());
    check(messages.lines);
  });
  attempt([&] {
    const auto words = kaem::text::parse_vocabulary(bytes, "input");
    demand(kaem::text::parse_vocabulary(kaem::text::format_vocabulary(words), "again") == words);
  });
}
