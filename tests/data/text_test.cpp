#include "data/formats/text.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "kaem/core/error.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using text::Words;

template <class Read>
std::string refused(Read&& read) {
  return message_of<DataError>(read);
}

TEST(Tokenised, LinesAndEndsSeparateSequences) {
  const std::vector<Words> wanted = {{"no", "it", "was", "n't"}, {"the", "N", "<unk>"}, {"a"}, {"b", "c"}, {"d"}};
  EXPECT_EQ(text::read_tokenised(" no it was n't \n the\tN  <unk>\r\n\n \na <eos> b c <eos>\nd", "f"), wanted);
  EXPECT_TRUE(text::read_tokenised("", "f").empty());
}

TEST(Tokenise, LettersDigitsAndMarksApart) {
  EXPECT_EQ(text::tokenise("Go until Jurong point, crazy.. 2nd 4U!!!!!"),
            (Words{"go", "until", "jurong", "point", ",", "crazy", "..", "2", "nd", "4", "u", "!!!"}));
  EXPECT_EQ(text::tokenise("I don't 'quote' rock'n'roll dogs' it''s"),
            (Words{"i", "don't", "'", "quote", "'", "rock'n'roll", "dogs", "'", "it", "''", "s"}));
  EXPECT_EQ(text::tokenise("\u00a31000 \u00dc\u00fc don\u2019t wait\u2026\u00a0now"),
            (Words{"\u00a3", "1000", "\u00dc\u00fc", "don\u2019t", "wait", "\u2026", "now"}));
  EXPECT_EQ(text::tokenise("a&lt;b?!?"), (Words{"a", "&", "lt", ";", "b", "?", "!", "?"}));
  EXPECT_EQ(text::tokenise("...\t...x\u0092y"), (Words{"...", "...", "x", "y"}));
  EXPECT_TRUE(text::tokenise(" \t\u00a0").empty());
}

TEST(Messages, LabelsAndWords) {
  const auto messages = text::read_messages("ham\tOk lar...\nspam\tWIN\ta prize\n\nham\t\n", "f");
  EXPECT_EQ(messages.lines, (std::vector<Words>{{"ok", "lar", "..."}, {"win", "a", "prize"}, {}}));
  EXPECT_EQ(messages.labels, (std::vector<int64_t>{0, 1, 0}));
}

TEST(Messages, ErrorsNameTheLine) {
  const auto read = [](const char* file) { return refused([&] { text::read_messages(file, "sms"); }); };
  expect_message(read("ham\tok\nham without tab\n"), {"sms: line 2:", "a tab", "'ham without tab'"});
  expect_message(read("eggs\tok\n"), {"sms: line 1:", "'ham' or 'spam'", "'eggs"});
  expect_message(read("ham\tok\nham\tcaf\xe9!\n"), {"sms: line 2: byte 233 at position 8", "UTF-8"});
  for (const char* bad : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80", "\x80", "\xff"})
    expect_message(refused([&] { text::read_tokenised(bad, "ptb"); }), {"ptb: line 1: byte", "position 1"});
  expect_message(refused([&] { text::read_tokenised({"a\0b", 3}, "ptb"); }), {"ptb: line 1: byte 0 at position 2"});
}

TEST(Vocabulary, MostFrequentFirstTiesByFirstAppearance) {
  const std::vector<Words> lines = {{"b", "a", "c", "<unk>"}, {"c", "a", "d", "<unk>"}, {"c", "<unk>"}};
  using List = std::vector<std::string>;
  EXPECT_EQ(text::make_vocabulary(lines, 10), (List{"<unk>", "<eos>", "c", "a", "b", "d"}));
  EXPECT_EQ(text::make_vocabulary(lines, 4), (List{"<unk>", "<eos>", "c", "a"}));
  EXPECT_EQ(text::make_vocabulary(lines, 2), (List{"<unk>", "<eos>"}));
}

TEST(Vocabulary, IndicesAreCutEndedAndPadded) {
  const std::vector<Words> lines = {{"a", "x", "b"}, {"a", "b", "a", "b"}, {"<unk>"}, {}};
  EXPECT_EQ(text::encode(lines, {"<unk>", "<eos>", "a", "b"}, 4),
            (std::vector<int32_t>{2, 0, 3, 1, 2, 3, 2, 3, 0, 1, -1, -1, 1, -1, -1, -1}));
  EXPECT_EQ(text::encode(lines, {"<unk>", "<eos>", "a", "b"}, 2), (std::vector<int32_t>{2, 0, 2, 3, 0, 1, 1, -1}));
}

TEST(Vocabulary, IsReadBack) {
  const std::vector<std::string> words = {"<unk>", "<eos>", "n't", "\u00fc", "#", ";"};
  EXPECT_EQ(text::parse_vocabulary(text::format_vocabulary(words), "v"), words);
  const auto parse = [](const char* file) { return refused([&] { text::parse_vocabulary(file, "v"); }); };
  expect_message(parse(""), {"v:", "<unk> and <eos>", "0 words"});
  expect_message(parse("<unk>\nthe\n"), {"v: line 2:", "<eos>", "'the'"});
  expect_message(parse("<unk>\n<eos>\nthe end\n"), {"v: line 3:", "one word", "'the end'"});
  expect_message(parse("<unk>\n<eos>\n\n"), {"v: line 3:", "one word"});
  expect_message(parse("<unk>\n<eos>\na\na\n"), {"v: line 4:", "before", "'a'"});
}

/// KAEM_DATA_DIR or null; whoever runs the tests without it is told what was not tested.
const char* real_data() {
  const char* root = std::getenv("KAEM_DATA_DIR");
  return root != nullptr && *root != '\0' ? root : nullptr;
}

}  // namespace
}  // namespace kaem
