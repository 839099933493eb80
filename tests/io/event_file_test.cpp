#include "kaem/io/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "support/events.h"
#include "support/files.h"

namespace kaem::io {
namespace {

using test::number_of;

/// The check value of CRC-32C (RFC 3720): of the reader, so that both are not wrong together.
TEST(EventFile, TheReaderOfTheseTestsKnowsTheChecksum) {
  const uint32_t crc = 0xE3069283;
  EXPECT_EQ(test::masked_crc("123456789"), (crc >> 15 | crc << 17) + 0xA282EAD8u);
}

TEST(EventFile, WhatIsWrittenIsReadBack) {
  const test::TemporaryFolder folder;
  const EventFile file(folder / "events.tfevents");
  const std::string png = test::unhex("89504e470d0a1a0a0000000d49484452000001020000000308000000") + "rest";
  file.scalars({{"train/loss", -1.5}, {"train/a name with ü", 3e30}}, 7);
  file.picture("samples", png, 300);
  file.histogram("prior/latents", histogram_of({0, 1, 2, 4, std::nan("")}, 4), 300);
  file.text("configuration", "# a\nb = 1", 1LL << 40);
  const auto values = test::read_events(test::get(file.file().path()));
  ASSERT_EQ(values.size(), 5u);
  EXPECT_EQ(values[0].step, 7u);
  EXPECT_EQ(values[0].tag, "train/loss");
  EXPECT_EQ(number_of<float>(values[0].value.at(2)[0]), -1.5f);
  EXPECT_EQ(values[1].tag, "train/a name with ü");
  EXPECT_EQ(number_of<float>(values[1].value.at(2)[0]), 3e30f);
  const auto image = test::parse_message(values[2].value.at(4)[0]);
  EXPECT_EQ(test::integer_of(image.at(1)[0]), 3u) << "height";
  EXPECT_EQ(test::integer_of(image.at(2)[0]), 258u) << "width";
  EXPECT_EQ(image.at(4)[0], png);
  const auto histogram = test::parse_message(values[3].value.at(5)[0]);
  const std::vector<double> expected = {0, 4, 4, 7, 21};  // least, greatest, number, sum, sum of squares
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(number_of<double>(histogram.at(i + 1)[0]), expected[i]) << i;
  const std::string limits = histogram.at(6)[0], counts = histogram.at(7)[0];
  const std::vector<double> ends = {1, 2, 3, 4}, held = {2, 1, 0, 1};
  ASSERT_EQ(limits.size(), 32u);
  ASSERT_EQ(counts.size(), 32u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(number_of<double>(std::string_view(limits).substr(8 * i)), ends[i]);
    EXPECT_EQ(number_of<double>(std::string_view(counts).substr(8 * i)), held[i]);
  }
  EXPECT_EQ(values[4].step, 1ULL << 40);
  EXPECT_EQ(test::parse_message(values[4].value.at(8)[0]).at(8)[0], "# a\nb = 1");
}

TEST(EventFile, EqualValuesFillOneCell) {
  const HistogramSummary h = histogram_of({2, 2, 2});
  EXPECT_EQ(h.limits, std::vector<double>{2});
  EXPECT_EQ(h.counts, std::vector<double>{3});
  EXPECT_TRUE(histogram_of({}).limits.empty());
}

TEST(EventFile, AFileThatCannotBeWrittenIsAnError) {
  const EventFile file("/nowhere/events.tfevents");
  test::expect_message(test::message_of<Error>([&] {
                         file.scalars({{"a", 1}}, 1);
                       }),
                       {"/nowhere/events.tfevents", "No such file"});
}

TEST(AppendedFile, IsCutBackToWhatWasDescribed) {
  const test::TemporaryFolder folder;
  const AppendedFile file(folder / "a.txt");
  EXPECT_EQ(file.description(), "");
  EXPECT_FALSE(file.begins_with("0 bytes, e3b0")) << "there is no file";
  file.append("one\n");
  const std::string then = file.description();
  EXPECT_EQ(then.substr(0, 9), "4 bytes, ");
  file.append("two\n");
  EXPECT_TRUE(file.begins_with(then));
  file.cut(then);
  EXPECT_EQ(test::get(file.path()), "one\n");
  test::put(file.path(), "one!\nmore");
  EXPECT_FALSE(file.begins_with(then));
}

}  // namespace
}  // namespace kaem::io
