#include "data/formats/text.h"

#include <algorithm>
#include <unordered_map>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::text {
namespace {

constexpr size_t kLongestRun = 3;  // of one mark: "!!!!!!!" and "!!!" are the same word

/// A code point and the bytes that it takes; 0 bytes: no UTF-8.
struct Character {
  uint32_t code = 0;
  size_t size = 0;
};

/// The first character of `text`, which is not empty. Overlong forms, surrogates and codes beyond U+10FFFF are no
/// UTF-8.
Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
  uint32_t code = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) return {};
  return {code, size};
}

enum class LetterKind { kBlank, kLetter, kDigit, kMark };

LetterKind kind_of(uint32_t code) {
  if (code <= 0x20 || (code >= 0x7F && code <= 0xA0)) return LetterKind::kBlank;
  if (code >= '0' && code <= '9') return LetterKind::kDigit;
  if (code < 0x80)
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ? LetterKind::kLetter : LetterKind::kMark;
  if (code < 0xC0) return code == 0xAA || code == 0xB5 || code == 0xBA ? LetterKind::kLetter : LetterKind::kMark;
  if ((code >= 0x2000 && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x3000 || code == 0xFEFF)
    return LetterKind::kBlank;
  const bool mark =
      code == 0xD7 || code == 0xF7 || (code >= 0x2010 && code <= 0x2BFF) || (code >= 0x3001 && code <= 0x3030);
  return mark ? LetterKind::kMark : LetterKind::kLetter;
}

bool is_apostrophe(uint32_t code) { return code == '\'' || code == 0x2019; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// A line of a file, without its ending, and its number.
template <class F>
void each_line(std::string_view file, const std::string& name, F&& f) {
  while (file.starts_with(kByteOrderMark)) file.remove_prefix(kByteOrderMark.size());
  int64_t number = 1;
  for (size_t begin = 0; begin < file.size(); ++number) {
    const size_t end = std::min(file.find('\n', begin), file.size());
    std::string_view line = file.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    for (size_t at = 0; at < line.size();) {
      const Character next = first_character(line.substr(at));
      if (next.size == 0 || next.code == 0)
        throw DataError(str(name, ": line ", number, ": byte ", static_cast<int>(static_cast<unsigned char>(line[at])),
                            " at position ", at + 1, " is no text in UTF-8"));
      at += next.size;
    }
    f(line, number);
    begin = end + 1;
  }
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// What stands between blanks.
template <class F>
void each_part(std::string_view line, F&& f) {
  for (size_t at = 0; at < line.size();) {
    size_t end = at;
    while (end < line.size() && !is_blank(line[end])) ++end;
    if (end > at) f(line.substr(at, end - at));
    at = end + 1;
  }
}

using Index = std::unordered_map<std::string_view, int32_t>;

Index index_of(const std::vector<std::string>& vocabulary) {
  Index index;
  for (size_t i = 0; i < vocabulary.size(); ++i) index.emplace(vocabulary[i], static_cast<int32_t>(i));
  return index;
}

/// "'spam ham'", cut to what fits into a message.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 20;
  return str("'", text.substr(0, kMost), text.size() > kMost ? "...'" : "'");
}

}  // namespace

std::vector<Words> read_tokenised(std::string_view file, const std::string& name) {
  std::vector<Words> lines;
  each_line(file, name, [&](std::string_view line, int64_t) {
    Words words;
    const auto end = [&] {
      if (!words.empty()) lines.push_back(std::move(words));
      words.clear();
    };
    each_part(line, [&](std::string_view word) {
      if (word == kEnd) return end();
      words.emplace_back(word);
    });
    end();
  });
  return lines;
}

std::vector<Words> read_lines(std::string_view file, const std::string& name) {
  std::vector<Words> lines;
  each_line(file, name, [&](std::string_view line, int64_t) {
    if (Words words = tokenise(line); !words.empty()) lines.push_back(std::move(words));
  });
  return lines;
}

Messages read_messages(std::string_view file, const std::string& name) {
  Messages messages;
  each_line(file, name, [&](std::string_view line, int64_t number) {
    if (std::all_of(line.begin(), line.end(), is_blank)) return;
    const size_t tab = line.find('\t');
    const std::string_view label = line.substr(0, tab);
    if (tab == std::string_view::npos || (label != "ham" && label != "spam"))
      throw DataError(
          str(name, ": line ", number, ": expected 'ham' or 'spam', a tab and a text, found ", shown(line)));
    messages.labels.push_back(label == "spam");
    messages.lines.push_back(tokenise(line.substr(tab + 1)));
  });
  return messages;
}

Words tokenise(std::string_view text) {
  Words words;
  LetterKind last = LetterKind::kBlank;
  uint32_t last_mark = 0;
  size_t run = 0;
  for (size_t at = 0; at < text.size();) {
    const Character next = first_character(text.substr(at));
    const size_t size = std::max<size_t>(next.size, 1);
    const std::string_view bytes = text.substr(at, size);
    at += size;
    LetterKind kind = kind_of(next.code);
    if (is_apostrophe(next.code) && last == LetterKind::kLetter && at < text.size() &&
        kind_of(first_character(text.substr(at)).code) == LetterKind::kLetter)
      kind = LetterKind::kLetter;
    const bool same = kind == last && (kind != LetterKind::kMark || next.code == last_mark);
    last = kind;
    if (kind == LetterKind::kMark) last_mark = next.code;
    if (kind == LetterKind::kBlank) continue;
    run = same ? run + 1 : 1;
    if (!same) words.emplace_back();
    if (kind == LetterKind::kMark && run > kLongestRun) continue;
    for (const char c : bytes) words.back() += lower(c);
  }
  return words;
}

std::vector<std::string> make_vocabulary(const std::vector<Words>& lines, int64_t size) {
  struct Count {
    std::string_view word;
    int64_t count = 0;
  };
  std::vector<Count> counts;  // in the order of first appearance
  std::unordered_map<std::string_view, size_t> place;
  for (const auto& line : lines)
    for (const auto& word : line) {
      const auto [found, fresh] = place.emplace(word, counts.size());
      if (fresh) counts.push_back({word});
      ++counts[found->second].count;
    }
  std::stable_sort(counts.begin(), counts.end(), [](const Count& a, const Count& b) { return a.count > b.count; });
  std::vector<std::string> vocabulary = {std::string(kUnknown), std::string(kEnd)};
  for (const auto& [word, count] : counts) {
    if (static_cast<int64_t>(vocabulary.size()) >= size) break;
    if (word != kUnknown && word != kEnd) vocabulary.emplace_back(word);
  }
  return vocabulary;
}

std::vector<int32_t> encode(const std::vector<Words>& lines, const std::vector<std::string>& vocabulary,
                            int64_t length) {
  const Index index = index_of(vocabulary);
  const auto width = static_cast<size_t>(length);
  std::vector<int32_t> indices(lines.size() * width, kNoWord);
  for (size_t n = 0; n < lines.size(); ++n) {
    int32_t* const row = indices.data() + n * width;
    const size_t words = std::min(lines[n].size(), width);
    for (size_t l = 0; l < words; ++l) {
      const auto found = index.find(lines[n][l]);
      row[l] = found == index.end() ? kUnknownIndex : found->second;
    }
    if (words < width) row[words] = kEndIndex;
  }
  return indices;
}

std::string format_vocabulary(const std::vector<std::string>& vocabulary) {
  std::string text;
  for (const auto& word : vocabulary) text.append(word).append("\n");
  return text;
}

std::vector<std::string> parse_vocabulary(std::string_view file, const std::string& name) {
  std::vector<std::string> words;
  Index known;
  each_line(file, name, [&](std::string_view line, int64_t number) {
    const auto refuse = [&](const char* what) {
      throw DataError(str(name, ": line ", number, ": ", what, ", found ", shown(line)));
    };
    if (line.empty() || std::any_of(line.begin(), line.end(), is_blank)) refuse("expected one word");
    if (number <= 2 && line != (number == 1 ? kUnknown : kEnd))
      refuse("expected <unk> and <eos> as the first two words");
    if (!known.emplace(line, 0).second) refuse("a word that stands there before");
    words.emplace_back(line);
  });
  if (words.size() < 2)
    throw DataError(str(name, ": expected <unk> and <eos> as the first two words, found ", words.size(), " words"));
  return words;
}

}  // namespace kaem::text
