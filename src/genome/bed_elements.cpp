#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"

#include "genome/element_file.hpp"
#include "genome/fields.hpp"
#include "genome/letters.hpp"

namespace mpira::genome {
namespace {

constexpr int kStrandColumn = 6;

class BedElements final : public ElementFile {
public:
    BedElements(std::filesystem::path const& bed, std::filesystem::path const& genome, int group_column)
        : ElementFile(bed), genome_(genome), group_column_(group_column) {
        for (std::size_t at = 0; at < text_.size(); at = text_.after(at)) {
            auto const here = text_.line(at);
            if (is_bed_remark(here)) continue;
            split_fields(here, fields_);
            check_line(at);
            add(at);
        }
        offsets_.shrink_to_fit();
    }

    [[nodiscard]] std::string name(std::uint64_t element) const override {
        auto const& fields = fields_of(element);
        if (!by_place_ && fields.size() > 3 && fields[3] != ".") return std::string(fields[3]);
        return fmt::format("{}:{}-{}{}", fields[0], fields[1], fields[2], strand(fields) == '-' ? "(-)" : "");
    }
    bool name_by_place() override {
        by_place_ = true;
        return true;
    }
    [[nodiscard]] std::string sequence(std::uint64_t element) override {
        auto const where = *locus(element);
        auto const letters = genome_.fetch(where.chrom, where.start, where.end);
        return where.strand == '-' ? reverse_complement(letters) : letters;
    }
    [[nodiscard]] std::uint64_t length(std::uint64_t element) const override {
        auto const where = *locus(element);
        return static_cast<std::uint64_t>(where.end - where.start);
    }
    [[nodiscard]] std::optional<ElementLibrary::Locus> locus(std::uint64_t element) const override {
        auto const& fields = fields_of(element);
        return ElementLibrary::Locus{fields[0], *text::to_integer(fields[1]), *text::to_integer(fields[2]),
                                     strand(fields)};
    }
    [[nodiscard]] bool has_strands() const noexcept override { return has_strands_; }
    [[nodiscard]] std::string column(std::uint64_t element, int number) const override {
        return std::string(fields_of(element).at(static_cast<std::size_t>(number) - 1));
    }
    [[nodiscard]] std::uint64_t ambiguous_letters() const noexcept override {
        return genome_.ambiguous_letters();
    }
    void add_to(ContentHash& hash) const override {
        hash.add("bed").add(text_.all()).add(hash_file(genome_.file()));
    }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} and {}", file_name(), genome_.file().string());
    }

private:
    /// Valid until the next call.
    [[nodiscard]] std::vector<std::string_view> const& fields_of(std::uint64_t element) const {
        split_fields(line(element), fields_);
        return fields_;
    }

    [[nodiscard]] char strand(std::vector<std::string_view> const& fields) const {
        bool const has_one = fields.size() >= kStrandColumn && group_column_ != kStrandColumn;
        return has_one ? fields[kStrandColumn - 1].front() : '.';
    }

    void check_line(std::size_t at) {
        auto const& fields = fields_;
        if (!text::is_utf8(text_.line(at))) text_.refuse(at, kNoText);
        if (fields.size() < 3) text_.refuse(at, "a BED line has chromosome, start and end");
        auto const start = text::to_integer(fields[1]);
        auto const end = text::to_integer(fields[2]);
        if (!start || !end || *start < 0) {
            text_.refuse(at,
                         fmt::format("'{}' to '{}' is no interval of integers >= 0", fields[1], fields[2]));
        }
        if (*start >= *end) {
            text_.refuse(at, fmt::format("an empty element: start {} is not before end {}", *start, *end));
        }
        auto const chrom = genome_.find(fields[0]);
        if (!chrom) {
            text_.refuse(at, fmt::format("{} has no sequence '{}'{}", genome_.file().string(), fields[0],
                                         text::chromosome_hint(fields[0], genome_.names())));
        }
        std::int64_t const length = genome_.lengths()[*chrom];
        if (*end > length)
            text_.refuse(at, fmt::format("end {} is beyond {} of {} bp", *end, fields[0], length));
        if (fields.size() >= kStrandColumn && group_column_ != kStrandColumn) {
            auto const said = fields[kStrandColumn - 1];
            if (said != "+" && said != "-" && said != ".") {
                text_.refuse(at, fmt::format("column 6 of a BED is the strand, + - or . ; here it is '{}'. "
                                             "Columns of your own go behind it",
                                             said));
            }
            has_strands_ = has_strands_ || said != ".";
        }
        if (group_column_ > 0 && fields.size() < static_cast<std::size_t>(group_column_)) {
            text_.refuse(at,
                         fmt::format("no column {}, which should hold the element's group", group_column_));
        }
        count_length(static_cast<std::uint64_t>(*end - *start));
    }

    Fasta genome_;
    int group_column_;
    bool by_place_ = false;
    bool has_strands_ = false;
    mutable std::vector<std::string_view> fields_;
};

}  // namespace

std::unique_ptr<ElementFile> open_bed_elements(std::filesystem::path const& bed,
                                               std::filesystem::path const& genome, int group_column) {
    return std::make_unique<BedElements>(bed, genome, group_column);
}

}  // namespace mpira::genome
