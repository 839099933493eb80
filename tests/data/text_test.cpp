#include "data/formats/text.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kaem/core/error.h"
#include "kaem/data/dataset.h"
#include "kaem/data/text.h"
#include "support/files.h"

namespace kaem {
namespace {

using test::expect_message;
using test::message_of;
using test::TemporaryFolder;
using text::Words;

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

TEST(Tokenised, AByteOrderMarkIsNoWord) {
  const std::string mark = "\xef\xbb\xbf";
  EXPECT_EQ(text::read_tokenised(mark + "a b\n", "f"), text::read_tokenised("a b\n", "f"));
  EXPECT_EQ(text::read_messages(mark + "ham\thello\n", "f").lines, text::read_messages("ham\thello\n", "f").lines);
  EXPECT_EQ(text::parse_vocabulary(mark + "<unk>\n<eos>\na\n", "f").size(), 3u);
}

TEST(Messages, LabelsAndWords) {
  const auto messages = text::read_messages("ham\tOk lar...\nspam\tWIN\ta prize\n\nham\t\n", "f");
  EXPECT_EQ(messages.lines, (std::vector<Words>{{"ok", "lar", "..."}, {"win", "a", "prize"}, {}}));
  EXPECT_EQ(messages.labels, (std::vector<int64_t>{0, 1, 0}));
}

TEST(Messages, ErrorsNameTheLine) {
  const auto read = [](const char* file) { return message_of<DataError>([&] { text::read_messages(file, "sms"); }); };
  expect_message(read("ham\tok\nham without tab\n"), {"sms: line 2:", "a tab", "'ham without tab'"});
  expect_message(read("eggs\tok\n"), {"sms: line 1:", "'ham' or 'spam'", "'eggs"});
  expect_message(read("ham\tok\nham\tcaf\xe9!\n"), {"sms: line 2: byte 233 at position 8", "UTF-8"});
  for (const char* bad : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80", "\x80", "\xff"})
    expect_message(message_of<DataError>([&] { text::read_tokenised(bad, "ptb"); }),
                   {"ptb: line 1: byte", "position 1"});
  expect_message(message_of<DataError>([&] {
                   text::read_tokenised({"a\0b", 3}, "ptb");
                 }),
                 {"ptb: line 1: byte 0 at position 2"});
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
  const auto parse = [](const char* file) { return message_of<DataError>([&] { text::parse_vocabulary(file, "v"); }); };
  expect_message(parse(""), {"v:", "<unk> and <eos>", "0 words"});
  expect_message(parse("<unk>\nthe\n"), {"v: line 2:", "<eos>", "'the'"});
  expect_message(parse("<unk>\n<eos>\nthe end\n"), {"v: line 3:", "one word", "'the end'"});
  expect_message(parse("<unk>\n<eos>\n\n"), {"v: line 3:", "one word"});
  expect_message(parse("<unk>\n<eos>\na\na\n"), {"v: line 4:", "before", "'a'"});
}

constexpr const char* kTrain = " a b a c \n a <unk> b \n c d e f g h \n b \n";

/// Options for the data below `folder`: 4 words a sequence, 6 in the vocabulary.
DatasetOptions options_for(const TemporaryFolder& folder, const char* name, int64_t train, int64_t test) {
  DatasetOptions options;
  options.name = name, options.root = folder.str(), options.offline = true;
  options.train_size = train, options.test_size = test;
  options.sequence_length = 4, options.vocab_size = 6;
  return options;
}

bool has_note(const Dataset& data, const std::string& part) {
  return std::any_of(data.notes.begin(), data.notes.end(),
                     [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

at::Tensor rows(std::vector<int32_t> numbers) { return at::tensor(numbers, at::kInt).view({-1, 4}); }

TEST(Ptb, IsReadAsIndices) {
  for (const char* place : {"ptb/", "PTB/", ""}) {
    const TemporaryFolder folder;
    test::put(folder / (std::string(place) + "ptb.train.txt"), kTrain);
    test::put(folder / (std::string(place) + "ptb.valid.txt"), " valid \n");
    test::put(folder / (std::string(place) + "ptb.test.txt"), " b zebra \n g \n");
    const Dataset data = make_dataset(options_for(folder, "ptb", 4, 2));
    EXPECT_EQ(data.name, "PTB");
    EXPECT_TRUE(data.is_text() && !data.test_from_training);
    EXPECT_EQ(data.vocabulary, (std::vector<std::string>{"<unk>", "<eos>", "a", "b", "c", "d"}));
    EXPECT_TRUE(at::equal(data.train, rows({2, 3, 2, 4, 2, 0, 3, 1, 4, 5, 0, 0, 3, 1, -1, -1})));
    EXPECT_TRUE(at::equal(data.test, rows({3, 0, 1, -1, 0, 1, -1, -1})));
    EXPECT_EQ(data.shape, (std::array<int64_t, 3>{1, 1, 4}));
    EXPECT_EQ(data.sources.size(), 2u);
    EXPECT_TRUE(has_note(data, "14 tokens, of which 21.4 % are <unk>; 25.0 % of the sequences are cut at 4 words"));
    EXPECT_TRUE(has_note(data, "unigram entropy 1.7"));
    EXPECT_TRUE(at::equal(data.batch(0, 4, Rng(1)).sum(), data.train.sum().to(at::kFloat)));
  }
}

TEST(Ptb, TheVocabularyIsThatOfTheRecordsTrainedOn) {
  const TemporaryFolder folder;
  test::put(folder / "ptb.train.txt", kTrain);
  test::put(folder / "ptb.test.txt", " a d \n");
  test::put(folder / "ptb.valid.txt", " a \n");
  const Dataset data = make_dataset(options_for(folder, "PTB", 2, 5));
  EXPECT_EQ(data.vocabulary, (std::vector<std::string>{"<unk>", "<eos>", "a", "b", "c"}));
  EXPECT_TRUE(at::equal(data.test, rows({2, 0, 1, -1})));
  EXPECT_TRUE(has_note(data, "have 5 words"));
  EXPECT_TRUE(has_note(data, "1 test sequences found, 5 asked for (N_test)"));
}

TEST(Ptb, OtherFilesServeWhereTheTestFileIsMissing) {
  const TemporaryFolder folder;
  test::put(folder / "ptb/ptb.train.txt", kTrain);
  const auto told = verify_dataset("PTB", folder.str());
  EXPECT_EQ(std::count_if(told.begin(), told.end(),
                          [](const auto& line) { return line.ends_with("not there; training does without it"); }),
            2);
  const Dataset last = make_dataset(options_for(folder, "PTB", 100, 1));
  EXPECT_TRUE(last.test_from_training && has_note(last, "the last 1 sequences are the test set"));
  EXPECT_TRUE(at::equal(last.test, rows({3, 1, -1, -1})));
  EXPECT_EQ(last.train.size(0), 3);
  expect_message(message_of<DataError>([&] { verify_dataset("PTB", folder / "none"); }), {"missing ptb.train.txt"});
  expect_message(message_of<DataError>([&] { make_dataset(options_for(folder, "PTB", 100, 4)); }),
                 {"ptb.train.txt", "4 sequences cannot give 4 test sequences"});
  test::put(folder / "ptb/ptb.valid.txt", " b \n a \n");
  const Dataset valid = make_dataset(options_for(folder, "PTB", 100, 1));
  EXPECT_TRUE(!valid.test_from_training && has_note(valid, "ptb.valid.txt serves"));
  EXPECT_TRUE(at::equal(valid.test, rows({3, 1, -1, -1})));
  EXPECT_EQ(valid.train.size(0), 4);
}

TEST(OwnText, IsAFileOrAFolderOfLines) {
  const TemporaryFolder folder;
  const std::string mark = "\xEF\xBB\xBF";
  test::put(folder / "own/a.txt", mark + "Ab, c!\r\n\r\nd\n");
  test::put(folder / "own/deep/b.txt", "c c\nd\nd\n");
  test::put(folder / "own/c.md", "nothing\n");
  DatasetOptions options = options_for(folder, "TEXT", 100, 1);
  options.root = folder / "own", options.vocab_size = 50;
  const Dataset all = make_dataset(options);
  EXPECT_TRUE(all.is_text() && all.test_from_training);
  EXPECT_EQ(all.train.size(0), 4);
  EXPECT_EQ(all.test.size(0), 1);
  EXPECT_EQ(all.sources.size(), 2U);
  EXPECT_EQ(all.vocabulary.size(), 4U + 3U) << "<unk> <eos> c d ab , !";
  options.root = folder / "own/deep/b.txt";
  EXPECT_EQ(make_dataset(options).train.size(0), 2);
  options.test_size = 5;  // more than half: a fifth
  EXPECT_EQ(make_dataset(options).test.size(0), 0);
  options.root = folder / "own/c";
  expect_message(message_of<DataError>([&] { make_dataset(options); }), {"expected a text file"});
}

TEST(SmsSpam, LabelsFollowTheirMessages) {
  const TemporaryFolder folder;
  test::put(folder / "sms_spam/SMSSpamCollection", "ham\tok ok\nspam\tWIN 100!\nham\tU ok?\nspam\twin\n");
  const Dataset data = make_dataset(options_for(folder, "sms_spam", 10, 1));
  EXPECT_EQ(data.name, "SMS_SPAM");
  EXPECT_TRUE(data.test_from_training);
  EXPECT_EQ(data.vocabulary, (std::vector<std::string>{"<unk>", "<eos>", "ok", "win", "100", "!"}));
  EXPECT_TRUE(at::equal(data.train, rows({2, 2, 1, -1, 3, 4, 5, 1, 0, 2, 0, 1})));
  EXPECT_TRUE(at::equal(data.test, rows({3, 1, -1, -1})));
  EXPECT_TRUE(at::equal(data.train_labels, at::tensor({0, 1, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(data.test_labels, at::tensor({1}, at::kLong)));
}

TEST(Text, DamagedFilesAreRefused) {
  const TemporaryFolder folder;
  const auto refusal = [&](const char* name) {
    return message_of<DataError>([&] { make_dataset(options_for(folder, name, 2, 1)); });
  };
  expect_message(refusal("SMS_SPAM"), {"SMS_SPAM in ", "SMSSpamCollection"});
  test::put(folder / "SMSSpamCollection", "ham\tok\nno label\n");
  expect_message(refusal("SMS_SPAM"), {"SMSSpamCollection: line 2", "'no label'"});
  expect_message(message_of<DataError>([&] { verify_dataset("SMS_SPAM", folder.str()); }), {"line 2"});
  test::put(folder / "ptb.train.txt", "\n\n");
  test::put(folder / "ptb.test.txt", " a \n");
  expect_message(refusal("PTB"), {"ptb.train.txt: holds no text"});
  test::put(folder / "ptb.train.txt", " a \x80 \n");
  expect_message(refusal("PTB"), {"ptb.train.txt: line 1: byte 128"});
  DatasetOptions options = options_for(folder, "PTB", 1, 1);
  options.sequence_length = -1;
  expect_message(message_of<ConfigError>([&] { make_dataset(options); }), {"PTB", "[SEQ] sequence_length"});
}

TEST(Lines, EndAtTheEndAndShowWhatIsUnknown) {
  const std::vector<std::string> words = {"<unk>", "<eos>", "a", "b"};
  EXPECT_EQ(to_lines(at::tensor({2, 3, 1, 2, 0, 9, 3, -1, 1, 2, 2, 2, 3, 3, 3, 3}, at::kLong).view({4, 4}), words),
            (std::vector<std::string>{"a b", "<unk> <unk> b", "", "b b b b"}));
  EXPECT_EQ(to_lines(at::tensor({3.0f, -1.0f}).view({1, 2}), words), std::vector<std::string>{"b"});
}

TEST(Unigram, EntropyAndCrossEntropyByHand) {
  const at::Tensor train = at::tensor({2, 2, 0, 1, -1, -1}, at::kInt).view({2, 3});
  EXPECT_NEAR(unigram_entropy(train), 1.5 * std::log(2.0), 1e-12);
  // Counts with one more for each of 5 words: 2 2 3 1 1 of 9.
  const at::Tensor test = at::tensor({2, 3, -1}, at::kInt).view({1, 3});
  EXPECT_NEAR(unigram_cross_entropy(train, test, 5), -0.5 * (std::log(3.0 / 9) + std::log(1.0 / 9)), 1e-12);
  EXPECT_THROW(unigram_entropy(at::full({2, 2}, -1, at::kInt)), DataError);
}

/// Real files, where KAEM_DATA_DIR holds them.
class RealText : public testing::Test {
 protected:
  Dataset load(const char* name, int64_t train, int64_t test, int64_t length, int64_t vocabulary) {
    DatasetOptions options;
    options.name = name, options.root = root, options.offline = true;
    options.train_size = train, options.test_size = test;
    options.sequence_length = length, options.vocab_size = vocabulary;
    return make_dataset(options);
  }
  void SetUp() override {
    const char* folder = std::getenv("KAEM_DATA_DIR");
    if (folder == nullptr) GTEST_SKIP() << "KAEM_DATA_DIR is not set";
    root = folder;
    for (const auto& info : list_datasets(root))
      if ((info.name == "PTB" || info.name == "SMS_SPAM") && !info.complete)
        GTEST_SKIP() << info.name << " is not in " << root;
  }
  std::string root;
};

TEST_F(RealText, PennTreebankHasTheKnownCounts) {
  const Dataset data = load("PTB", 42068, 3761, 83, 10001);
  EXPECT_EQ(data.train.sizes(), at::IntArrayRef({42068, 83}));
  EXPECT_EQ(data.test.sizes(), at::IntArrayRef({3761, 83}));
  EXPECT_EQ(data.train.ge(0).sum().item<int64_t>(), 887521 + 42068);
  EXPECT_EQ(data.test.ge(0).sum().item<int64_t>(), 78669 + 3761);
  EXPECT_EQ(data.train.eq(1).sum().item<int64_t>(), 42068) << "the longest line has 82 words";
  EXPECT_EQ(data.vocabulary.size(), 10000u) << "9,999 words, <unk> among them, and <eos>";
  EXPECT_EQ(data.vocabulary[2], "the");
  EXPECT_TRUE(has_note(data, "0.0 % of the sequences are cut"));
  EXPECT_EQ(to_lines(data.test.slice(0, 0, 1), data.vocabulary)[0], "no it was n't black monday");
}

TEST_F(RealText, SpamHasTheKnownLabels) {
  const Dataset data = load("SMS_SPAM", 10000, 574, 20, 2000);
  EXPECT_EQ(data.train.size(0), 5000);
  EXPECT_EQ(data.test.size(0), 574);
  EXPECT_EQ((data.train_labels.sum() + data.test_labels.sum()).item<int64_t>(), 747);
  EXPECT_EQ(to_lines(data.train.slice(0, 1, 2), data.vocabulary)[0].substr(0, 11), "ok lar ... ");
  EXPECT_EQ(data.vocabulary.size(), 2000u);
}

}  // namespace
}  // namespace kaem
