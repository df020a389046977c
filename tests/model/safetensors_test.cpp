#include "mpira/model/safetensors.hpp"

#include <cstring>
#include <fstream>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/model/weights.hpp"

#include "support.hpp"

namespace mpira::model {
namespace {

using testing::HasSubstr;
using tests::Folder;
using tests::usage_message;

std::span<std::byte const> bytes_of(std::vector<float> const& values) {
    return std::as_bytes(std::span(values));
}

void write_raw(std::filesystem::path const& file, std::uint64_t length, std::string const& header,
               std::size_t data_bytes) {
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<char const*>(&length), sizeof length);
    out << header << std::string(data_bytes, '\0');
}

void write_with_header(std::filesystem::path const& file, std::string const& header, std::size_t data_bytes) {
    write_raw(file, header.size(), header, data_bytes);
}

TEST(Safetensors, WhatIsWrittenIsRead) {
    Folder const folder;
    std::vector<float> const a{1, 2, 3, 4, 5, 6};
    std::vector<float> const b{-1};
    std::vector<TensorView> const views{{"b", ScalarType::f32, {1}, bytes_of(b)},
                                        {"a.weight", ScalarType::f32, {2, 3}, bytes_of(a)},
                                        {"none", ScalarType::f32, {0, 3}, {}}};
    write_safetensors(folder / "t.safetensors", views, {{"key", "value \"quoted\" \xC3\xA9"}});
    SafetensorsFile const file(folder / "t.safetensors");
    ASSERT_EQ(file.tensors().size(), 3U);
    auto const& read = file.tensor("a.weight");
    EXPECT_EQ(read.shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(std::memcmp(read.bytes.data(), a.data(), read.bytes.size()), 0);
    EXPECT_EQ(file.tensor("none").bytes.size(), 0U);
    EXPECT_EQ(file.metadata().at("key"), "value \"quoted\" \xC3\xA9");
    EXPECT_EQ(content_hash(file.tensors()), content_hash(views));
    EXPECT_THAT(usage_message([&] { (void)file.tensor("a.weigth"); }), HasSubstr("'a.weight'?"));
}

TEST(Safetensors, TheHashSeesNamesShapesAndBytesButNotTheOrder) {
    std::vector<float> const a{1, 2};
    std::vector<float> const b{1, 3};
    TensorView const one{"one", ScalarType::f32, {2}, bytes_of(a)};
    TensorView const two{"two", ScalarType::f32, {2}, bytes_of(a)};
    TensorView const column{"one", ScalarType::f32, {2, 1}, bytes_of(a)};
    TensorView const other{"one", ScalarType::f32, {2}, bytes_of(b)};
    auto const hash = [](std::vector<TensorView> const& views) { return content_hash(views); };
    EXPECT_EQ(hash({one, two}), hash({two, one}));
    EXPECT_NE(hash({one}), hash({two}));
    EXPECT_NE(hash({one}), hash({column}));
    EXPECT_NE(hash({one}), hash({other}));
}

TEST(Safetensors, AFailedWriteLeavesTheOldFile) {
    Folder const folder;
    std::vector<float> const a{1};
    std::vector<TensorView> const views{{"a", ScalarType::f32, {1}, bytes_of(a)}};
    std::filesystem::create_directory(folder / "taken");
    std::ofstream(folder / "taken/file") << "x";
    EXPECT_THROW(write_safetensors(folder / "taken", views, {}), Error);  // a folder cannot be replaced
    EXPECT_TRUE(std::filesystem::exists(folder / "taken/file"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / ""), {}), 1)
        << "a temporary was left";
    EXPECT_THAT(usage_message([&] { write_safetensors(folder / "no/such/file", views, {}); }),
                HasSubstr("no/such/file"));
}

struct Malformed {
    char const* what;
    std::string header;
    std::size_t data_bytes;
    char const* message;
};

TEST(Safetensors, AFileThatLiesIsRefused) {
    auto const tensor = [](char const* dtype, char const* shape, char const* offsets) {
        return fmt::format(R"({{"w":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
    };
    constexpr auto two = R"({{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},)"
                         R"("b":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}}}})";
    char const* const doubled = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}})";
    Malformed const table[] = {
        {"no JSON", "{", 0, "no JSON"},
        {"a list", "[]", 0, "no JSON object"},
        {"unknown type", tensor("F33", "[2]", "[0,8]"), 8, "unknown dtype \"F33\""},
        {"type is a number", R"({"w":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype 4"},
        {"no offsets", R"({"w":{"dtype":"F32","shape":[2]}})", 8, "'w' has no dtype, shape and data_offsets"},
        {"past the end", tensor("F32", "[2]", "[0,8]"), 4, "claims bytes [0,8] of 4"},
        {"backwards", tensor("F32", "[2]", "[8,0]"), 8, "claims bytes [8,0]"},
        {"negative offset", tensor("F32", "[2]", "[-8,0]"), 8, "claims bytes [-8,0]"},
        {"huge offset", tensor("F32", "[2]", "[0,18446744073709551615]"), 8, "claims bytes"},
        {"float offset", tensor("F32", "[2]", "[0.0,8.0]"), 8, "claims bytes"},
        {"shape too big", tensor("F32", "[3]", "[0,8]"), 8, "has 8 bytes, but F32 [3] needs 12"},
        {"shape too small", tensor("F32", "[1]", "[0,8]"), 8, "needs 4"},
        {"wrong type size", tensor("F16", "[2]", "[0,8]"), 8, "needs 4"},
        {"negative extent", tensor("F32", "[-2]", "[0,8]"), 8, "has the shape [-2]"},
        {"extents overflow", tensor("F32", "[4294967296,4294967296,8]", "[0,8]"), 8, "more than memory"},
        {"overlap", fmt::format(two, 2, 4, 12), 12, "they overlap"},
        {"gap", fmt::format(two, 1, 12, 16), 16, "there is a gap"},
        {"bytes nobody owns", tensor("F32", "[2]", "[0,8]"), 12, "end at byte 8, its data at 12"},
        {"doubled name", doubled, 8, "'a' twice"},
        {"metadata is a list", R"({"__metadata__":[]})", 0, "__metadata__"},
        {"metadata holds a number", R"({"__metadata__":{"k":1}})", 0, "__metadata__.k"},
    };
    Folder const folder;
    for (auto const& entry : table) {
        auto const file = folder / "bad.safetensors";
        write_with_header(file, entry.header, entry.data_bytes);
        auto const message = usage_message([&] { SafetensorsFile const refused(file); });
        EXPECT_THAT(message, HasSubstr(entry.message)) << entry.what;
        EXPECT_THAT(message, HasSubstr("bad.safetensors")) << entry.what;
    }
}

TEST(Safetensors, AHeaderLengthIsNotBelieved) {
    Folder const folder;
    auto const file = folder / "bad.safetensors";
    for (std::uint64_t const length :
         {std::uint64_t{3}, std::uint64_t{1} << 40, std::numeric_limits<std::uint64_t>::max()}) {
        write_raw(file, length, "{}", 0);
        EXPECT_THAT(usage_message([&] { SafetensorsFile const refused(file); }),
                    HasSubstr("header length says"));
    }
    std::ofstream(file, std::ios::trunc) << "short";
    EXPECT_THAT(usage_message([&] { SafetensorsFile const refused(file); }),
                HasSubstr("8-byte header length"));
    std::ofstream(file, std::ios::trunc).flush();
    EXPECT_THAT(usage_message([&] { SafetensorsFile const refused(file); }),
                HasSubstr("8-byte header length"));
    EXPECT_THAT(usage_message([&] { SafetensorsFile const refused(folder / "missing"); }),
                HasSubstr("missing"));
}

/// A weights file with one thing wrong.
class WeightsRefusal : public testing::Test {
protected:
    GetConfig const config_{.features = 3, .dim = 4, .depth = 1, .heads = 2, .outputs = 1};
    Folder folder_;
    std::filesystem::path good_ = folder_ / "good.safetensors";
    std::filesystem::path bad_ = folder_ / "bad.safetensors";
    ModelCard card_ = tests::write_random_weights(good_, config_, 5);

    template <typename Change>
    std::string refused(Change&& change) {
        SafetensorsFile const file(good_);
        std::vector<TensorView> tensors(file.tensors().begin(), file.tensors().end());
        auto metadata = file.metadata();
        change(tensors, metadata);
        write_safetensors(bad_, tensors, metadata);
        auto const message = usage_message([&] { Weights const weights(bad_); });
        EXPECT_THAT(message, HasSubstr("bad.safetensors"));
        return message;
    }
    static void set_card(std::map<std::string, std::string>& metadata, char const* pointer,
                         nlohmann::json const& value) {
        auto card = nlohmann::json::parse(metadata.at("mpira"));
        card[nlohmann::json::json_pointer(pointer)] = value;
        metadata["mpira"] = card.dump();
    }
};

using Tensors = std::vector<TensorView>;
using Metadata = std::map<std::string, std::string>;

TEST_F(WeightsRefusal, TheGoodFileIsTaken) {
    Weights const weights(good_);
    EXPECT_EQ(weights.config(), config_);
    EXPECT_EQ(weights.card().content_hash, card_.content_hash);
    EXPECT_EQ(weights.card().motifs, card_.motifs);
}

TEST_F(WeightsRefusal, Tensors) {
    std::vector<float> const nan(4, std::numeric_limits<float>::quiet_NaN());
    EXPECT_THAT(refused([](Tensors& t, Metadata&) { t.erase(t.begin()); }), HasSubstr("has no tensor"));
    EXPECT_THAT(refused([&](Tensors& t, Metadata&) {
                    t.push_back({"encoder.norm.wait", ScalarType::f32, {4}, bytes_of(nan)});
                }),
                HasSubstr("'encoder.norm.wait' has no place in the architecture of its card, did you mean "
                          "'encoder.norm.weight'?"));
    EXPECT_THAT(refused([](Tensors& t, Metadata&) {
                    for (auto& tensor : t) {
                        if (tensor.name == "encoder.blocks.0.mlp.fc1.weight") tensor.shape = {4, 16};
                    }
                }),
                HasSubstr("'encoder.blocks.0.mlp.fc1.weight' has shape (4, 16), the architecture in its card "
                          "needs (16, 4)"));
    EXPECT_THAT(refused([](Tensors& t, Metadata&) {
                    for (auto& tensor : t) {
                        if (tensor.name == "encoder.norm.bias") tensor.type = ScalarType::i32;
                    }
                }),
                HasSubstr("'encoder.norm.bias' is I32, expected F32"));
    EXPECT_THAT(refused([&](Tensors& t, Metadata&) {
                    for (auto& tensor : t) {
                        if (tensor.name == "encoder.norm.bias") tensor.bytes = bytes_of(nan);
                    }
                }),
                HasSubstr("'encoder.norm.bias' holds nan at element 0"));
    EXPECT_THAT(refused([](Tensors& t, Metadata&) {
                    for (auto& tensor : t) {
                        if (tensor.name == "encoder.norm.bias") tensor.bytes = t[0].bytes.first(16);
                    }
                }),
                HasSubstr("the file was changed"));
}

TEST_F(WeightsRefusal, Card) {
    auto const with = [&](char const* pointer, nlohmann::json const& value) {
        return refused([&](Tensors&, Metadata& m) { set_card(m, pointer, value); });
    };
    EXPECT_THAT(refused([](Tensors&, Metadata& m) { m.erase("mpira"); }), HasSubstr("no model card"));
    EXPECT_THAT(refused([](Tensors&, Metadata& m) { m["mpira"] = "{"; }), HasSubstr("no JSON"));
    EXPECT_THAT(refused([](Tensors&, Metadata& m) { m["mpira"] = "{}"; }),
                HasSubstr("card.format is missing"));
    EXPECT_THAT(with("/format", 2), HasSubstr("format 2, this program reads format 1"));
    EXPECT_THAT(with("/window", "50"), HasSubstr("card.window has an unexpected type"));
    EXPECT_THAT(with("/window", 2.5), HasSubstr("card.window has an unexpected type"));
    EXPECT_THAT(with("/focus", 5), HasSubstr("focus 5 lies outside the window of 5"));
    EXPECT_THAT(with("/motifs", {"a"}), HasSubstr("1 motif names for 2 motif features"));
    EXPECT_THAT(with("/scales", {1, 2, 3}), HasSubstr("3 scales for 2 motif features"));
    EXPECT_THAT(with("/accessibility", "open"), HasSubstr("accessibility is 'open'"));
    EXPECT_THAT(with("/held_out", {1}), HasSubstr("held_out"));
    EXPECT_THAT(with("/output_names", {"a", "b"}), HasSubstr("2 output names for 1 outputs"));
    EXPECT_THAT(with("/architecture/network", "Enformer"), HasSubstr("'Enformer'"));
    EXPECT_THAT(with("/architecture/heads", 3), HasSubstr("heads = 3 does not divide dim = 4"));
    EXPECT_THAT(with("/architecture/dim", -4), HasSubstr("dim = -4"));
    EXPECT_THAT(with("/architecture/dim", 8), HasSubstr("has shape"));
    EXPECT_THAT(with("/architecture/depth", 2), HasSubstr("has no tensor 'encoder.blocks.1"));
    EXPECT_THAT(with("/architecture/head", "masked"), HasSubstr("masked head"));
    EXPECT_THAT(with("/architecture/head", "tail"), HasSubstr("'tail'"));
    EXPECT_THAT(with("/architecture/eps", 0), HasSubstr("eps"));
    EXPECT_THAT(with("/content_hash", "00"), HasSubstr("the file was changed"));
}

TEST(ModelCard, SurvivesJson) {
    auto card = tests::card_for({.features = 3, .dim = 4, .depth = 1, .heads = 2, .outputs = 2}, 9);
    card.held_out = {{"chr2R", 100, 200}};
    card.accessibility = AccessibilityMode::quantitative;
    card.scales = {0.1, 1.0 / 3};
    card.training = {{"seed", 3}};
    card.parents = {"abc"};
    auto const again = nlohmann::json::parse(nlohmann::json(card).dump()).get<ModelCard>();
    EXPECT_EQ(nlohmann::json(again), nlohmann::json(card));
    EXPECT_EQ(again.scales, card.scales);
    EXPECT_EQ(again.held_out, card.held_out);
    EXPECT_EQ(again.names_of_outputs(), (std::vector<std::string>{"plus", "minus"}));
}

TEST(ModelCard, AnAtlasThatDisagreesIsRefusedByName) {
    auto const card = tests::card_for({.features = 3, .dim = 4, .depth = 1, .heads = 2, .outputs = 1}, 9);
    AtlasFacts const good{card.assembly,  card.motifs,    card.scan_hash, card.accessibility,
                          "another cell", card.scale_set, card.scales};
    EXPECT_NO_THROW(require_matches(card, "w.safetensors", good, "a.h5ad"));
    auto const refused = [&](auto&& change) {
        auto facts = good;
        change(facts);
        auto const message = usage_message([&] { require_matches(card, "w.safetensors", facts, "a.h5ad"); });
        EXPECT_THAT(message, HasSubstr("w.safetensors"));
        EXPECT_THAT(message, HasSubstr("a.h5ad"));
        return message;
    };
    EXPECT_THAT(refused([](AtlasFacts& f) { f.assembly = "dm6"; }), HasSubstr("assembly: 'dm3' in w"));
    EXPECT_THAT(refused([](AtlasFacts& f) { std::swap(f.motifs[0], f.motifs[1]); }),
                HasSubstr("motif 0 of 2: 'motif0' in w.safetensors, 'motif1' in a.h5ad"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.motifs.pop_back(); }),
                HasSubstr("'motif1' in w.safetensors, '(none)'"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.motifs.emplace_back("x"); }), HasSubstr("'(none)' in w"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.scan_hash = "4567"; }), HasSubstr("scan model"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.accessibility = AccessibilityMode::binarised; }),
                HasSubstr("accessibility mode: 'constant' in w.safetensors, 'binarised'"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.scale_set = "other"; }), HasSubstr("scale set"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.scales[1] = 1.00001; }),
                HasSubstr("scale of motif 1 (motif1): '1' in w.safetensors, '1.00001'"));
    EXPECT_THAT(refused([](AtlasFacts& f) { f.scales.pop_back(); }), HasSubstr("number of scales"));
    auto close = good;
    close.scales[0] = 1 + 1e-8;
    EXPECT_NO_THROW(require_matches(card, "w.safetensors", close, "a.h5ad"));
}

}  // namespace
}  // namespace mpira::model
