#include <utility>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "genome/fragment_source.hpp"
#include "genome/tabix_lines.hpp"

namespace mpira::genome {
namespace {

class TabixSource final : public FragmentFile::Source {
public:
    TabixSource(std::filesystem::path const& file, HtsFile opened, ParseLine parse)
        : Source(file), lines_(*this, std::move(opened)), parse_(parse) {}

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        lines_.read(chrom, start, end, [&](std::string_view line) { each(parse_(*this, line)); });
    }
    [[nodiscard]] bool is_alignments() const noexcept override { return false; }
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept override { return lines_.chroms(); }

private:
    TabixLines lines_;
    ParseLine parse_;
};

}  // namespace

Fragment parse_fragment(IndexedFile const& file, std::string_view line) {
    std::string_view fields[4];
    auto const count = first_fields(line, fields);
    auto const start = count > 2 ? text::to_integer(fields[1]) : std::nullopt;
    auto const end = count > 2 ? text::to_integer(fields[2]) : std::nullopt;
    if (!start || !end || *start < 0 || *start >= *end)
        file.refuse(fmt::format(
            "'{}' is no fragment: expected chromosome, start, end (integers, start < end) and barcode, "
            "separated by tabs",
            line.substr(0, 80)));
    return {*start, *end, fields[3], '.', 1};
}

std::unique_ptr<FragmentFile::Source> open_tabix(std::filesystem::path const& file, HtsFile opened,
                                                 ParseLine parse) {
    return std::make_unique<TabixSource>(file, std::move(opened), parse);
}

}  // namespace mpira::genome
