#include "mpira/store/journal.hpp"

#include <cstring>
#include <initializer_list>

#include <gtest/gtest.h>

namespace mpira::store {
namespace {

TEST(Journal, ComesBackAsItWasWritten) {
    JournalRow const row{77,           UnitState::failed, 3, 0xDEADBEEF, 12.5, 1'763'700'000'123,
                         "node1 Xeon", "no window"};
    auto const back = decode(encode(row), 77);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->unit, 77U);
    EXPECT_EQ(back->state, UnitState::failed);
    EXPECT_EQ(back->attempt, 3);
    EXPECT_EQ(back->data_crc, 0xDEADBEEF);
    EXPECT_EQ(back->seconds, 12.5);
    EXPECT_EQ(back->finished_ms, 1'763'700'000'123);
    EXPECT_EQ(back->machine, "node1 Xeon");
    EXPECT_EQ(back->error, "no window");
    EXPECT_EQ(back->blame, Blame{});
}

TEST(Journal, KeepsWhatIsHeldAgainstAUnit) {
    JournalRow row;
    row.unit = 3;
    for (auto const suspicion : {Blame::none, Blame::seen, Blame::suspect})
        for (auto const charges : std::initializer_list<std::uint8_t>{0, 1, 2, 15}) {
            row.blame = {.charges = charges, .suspicion = suspicion};
            EXPECT_EQ(decode(encode(row), 3)->blame, row.blame);
        }
}

TEST(Journal, ZerosAreAnOpenRowAndAnotherUnitsRowIsNone) {
    std::array<std::byte, kJournalRowBytes> const zeros{};
    ASSERT_TRUE(decode(zeros, 5).has_value());
    EXPECT_EQ(decode(zeros, 5)->state, UnitState::open);
    JournalRow row;
    row.unit = 4;
    row.state = UnitState::done;
    EXPECT_FALSE(decode(encode(row), 5).has_value());
    EXPECT_FALSE(decode(std::span(zeros).first(64), 5).has_value());
}

TEST(Journal, EveryBitIsCovered) {
    JournalRow const row{1, UnitState::done, 1, 42, 0.5, 99, "m", ""};
    auto const good = encode(row);
    for (std::size_t bit = 0; bit < kJournalRowBytes * 8; ++bit) {
        auto bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        EXPECT_FALSE(decode(bad, 1).has_value()) << "bit " << bit;
    }
}

TEST(Journal, CutsTextBetweenCharacters) {
    JournalRow row;
    row.error = std::string(kErrorBytes - 1, 'x') + "\xC3\xA4";  // a two-byte letter across the end
    EXPECT_EQ(decode(encode(row), 0)->error, std::string(kErrorBytes - 1, 'x'));
    row.error = std::string(kErrorBytes - 2, 'x') + "\xC3\xA4";
    EXPECT_EQ(decode(encode(row), 0)->error, row.error);
}

TEST(Journal, NamesAMachineShortly) {
    EXPECT_EQ(machine_text("node17.cluster.example", "Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz"),
              "node17 Intel Xeon Platinum 8480+");
    EXPECT_EQ(machine_text("a", "NVIDIA H200"), "a NVIDIA H200");
    EXPECT_EQ(machine_text("a", "Intel(R) Xeon(R) CPU (6/79) @ 2.20GHz"), "a Intel Xeon (6/79)");
    EXPECT_LE(machine_text(std::string(64, 'h'), std::string(64, 'm')).size(), kMachineBytes);
}

TEST(Journal, OneModelIsNoOtherThatBeginsLikeIt) {
    EXPECT_TRUE(
        same_model(machine_text("a", "NVIDIA A100-SXM4-80GB"), machine_text("b", "NVIDIA A100-SXM4-80GB")));
    EXPECT_FALSE(same_model(machine_text("a", "NVIDIA A10"), machine_text("a", "NVIDIA A100-SXM4-80GB")));
    EXPECT_FALSE(same_model(machine_text("a", "NVIDIA L40S"), machine_text("a", "NVIDIA L4")));
    std::string const name = "Abacus of the third generation, with beads";
    EXPECT_TRUE(same_model(machine_text("a", name), machine_text("a-long-host-name", name)))
        << "both are cut";
}

}  // namespace
}  // namespace mpira::store
