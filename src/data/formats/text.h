#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Text as sequences of words, vocabularies and word indices. No torch here, so that it can be fuzzed quickly.
/// docs/file-formats.md.
namespace kaem::text {

inline constexpr std::string_view kUnknown = "<unk>";  ///< a word that is not in the vocabulary: index 0
inline constexpr std::string_view kEnd = "<eos>";      ///< the end of a sequence: index 1
inline constexpr int32_t kUnknownIndex = 0, kEndIndex = 1;
inline constexpr int32_t kNoWord = -1;  ///< behind the end of a sequence

/// The words of one sequence, in order, without its end.
using Words = std::vector<std::string>;

/// Sequences of a text that is tokenised already: words stand between blanks, a line is a sequence and so is what
/// `<eos>` ends; empty ones are left out. DataError names `name`, the line and the byte that is no UTF-8 text.
std::vector<Words> read_tokenised(std::string_view file, const std::string& name);

/// Lines of plain text, each taken apart by `tokenise`; those without a word are left out. DataError as above.
std::vector<Words> read_lines(std::string_view file, const std::string& name);

struct Messages {
  std::vector<Words> lines;
  std::vector<int64_t> labels;  ///< 0 ham, 1 spam
};

/// Lines `label TAB text` of the SMS Spam Collection, text taken apart by `tokenise`; empty lines are left out.
/// DataError names `name`, the line and what was found: no UTF-8, no tab, another label.
Messages read_messages(std::string_view file, const std::string& name);

/// Words of plain UTF-8 text: runs of letters (ASCII ones in lower case, apostrophes between letters included), runs of
/// digits, and runs of one punctuation mark, of which at most three count. Beyond ASCII, U+00A1-00BF without ª µ º, × ÷
/// and U+2010-2BFF, U+3001-3030 are marks, blanks and controls separate, everything else is a letter.
Words tokenise(std::string_view text);

/// `<unk>`, `<eos>`, then the most frequent words of the lines, `size` in all (fewer if there are no more); those that
/// are equally frequent in the order in which they first appear.
std::vector<std::string> make_vocabulary(const std::vector<Words>& lines, int64_t size);

/// Word indices of the lines, each cut to `length` or ended by `<eos>` and filled up with kNoWord: [lines x length].
std::vector<int32_t> encode(const std::vector<Words>& lines, const std::vector<std::string>& vocabulary,
                            int64_t length);

/// A vocabulary as a file of one word a line, and back; DataError names `name` and the line that is no word, stands
/// twice, or should be one of the first two.
std::string format_vocabulary(const std::vector<std::string>& vocabulary);
std::vector<std::string> parse_vocabulary(std::string_view file, const std::string& name);

}  // namespace kaem::text
