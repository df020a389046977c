#include "mpira/genome/elements.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/name_index.hpp"

#include "genome/element_file.hpp"
#include "genome/element_groups.hpp"
#include "genome/reporter_vector.hpp"

namespace mpira::genome {

struct ElementLibrary::State {
    ElementSource source;
    std::unique_ptr<ElementFile> file;
    ElementGroups groups;
    ReporterVector vector;
    std::string hash;
};

ElementLibrary::ElementLibrary(std::unique_ptr<State> state) : state_(std::move(state)) {}
ElementLibrary::ElementLibrary(ElementLibrary&&) noexcept = default;
ElementLibrary& ElementLibrary::operator=(ElementLibrary&&) noexcept = default;
ElementLibrary::~ElementLibrary() = default;

ElementLibrary ElementLibrary::open(ElementSource const& source) {
    require(source.fasta.empty() != source.bed.empty(),
            "elements come from a FASTA file or from a BED file: name one");
    require(source.bed.empty() || !source.genome.empty(),
            fmt::format("{}: elements from BED need the genome's FASTA file", source.bed.string()));
    require(source.group_column == 0 || (!source.bed.empty() && source.groups.empty()),
            "the column of the group is a column of the BED file, and excludes a table of groups");
    auto state = std::make_unique<State>();
    state->source = source;
    state->file = source.bed.empty() ? open_fasta_elements(source.fasta)
                                     : open_bed_elements(source.bed, source.genome, source.group_column);
    auto& file = *state->file;
    require(file.size() > 0, fmt::format("{}: no element in it", file.file_name()));
    require(file.size() < std::numeric_limits<std::uint32_t>::max(),
            fmt::format("{}: more than 2^32 elements", file.file_name()));
    auto const index_names = [&] {
        return NameIndex(static_cast<std::uint32_t>(file.size()),
                         [&](std::uint32_t element) { return file.name(element); });
    };
    auto by_name = index_names();
    if (auto const twice = by_name.twice()) {  // as names of regions in features
        auto const name = file.name(twice->first);
        if (file.name_by_place()) {
            log::info(
                "{}: names of elements are not unique ('{}'); elements are called chrom:start-end instead",
                file.file_name(), name);
            by_name = index_names();
        }
    }
    if (auto const twice = by_name.twice()) {
        file.refuse(twice->second, fmt::format("element name '{}' was used before, in {}; names must differ",
                                               file.name(twice->second), file.place(twice->first)));
    }
    if (!source.groups.empty()) {
        state->groups = ElementGroups::read(source.groups, file, by_name);
    } else if (source.group_column > 0) {
        state->groups = ElementGroups::of_column(file, source.group_column);
    }
    if (!source.vector.empty()) state->vector = ReporterVector::read(source.vector, source.placeholder);

    ContentHash hash;
    file.add_to(hash);
    hash.add(state->vector.left).add(state->vector.right);
    for (auto const group : state->groups.of_element()) hash.add(state->groups.names()[group]);
    state->hash = hash.hex();
    return ElementLibrary(std::move(state));
}

std::uint64_t ElementLibrary::size() const noexcept {
    return state_->file->size();
}

std::string ElementLibrary::name(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->file->name(element);
}

std::string ElementLibrary::sequence(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->file->sequence(element);
}

std::uint64_t ElementLibrary::length(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->file->length(element);
}

std::vector<std::string> const& ElementLibrary::group_names() const noexcept {
    return state_->groups.names();
}

std::uint32_t ElementLibrary::group(std::uint64_t element) const {
    return state_->groups.of_element().at(element);
}

std::optional<ElementLibrary::Locus> ElementLibrary::locus(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->file->locus(element);
}

bool ElementLibrary::has_strands() const noexcept {
    return state_->file->has_strands();
}

bool ElementLibrary::has_vector() const noexcept {
    return !state_->source.vector.empty();
}

std::string ElementLibrary::scan_sequence(std::uint64_t element, std::uint64_t scan_length) const {
    return scan_sequence_of(sequence(element), scan_length);
}

std::string ElementLibrary::scan_sequence_of(std::string_view insert, std::uint64_t scan_length) const {
    return state_->vector.scan_sequence(insert, scan_length);
}

std::string ElementLibrary::vector_scan_sequence(std::uint64_t scan_length) const {
    return scan_sequence_of("", scan_length);
}

std::uint64_t ElementLibrary::ambiguous_letters() const noexcept {
    return state_->file->ambiguous_letters();
}

std::string const& ElementLibrary::content_hash() const noexcept {
    return state_->hash;
}

std::string ElementLibrary::describe() const {
    auto const& file = *state_->file;
    std::string const lengths = file.shortest() == file.longest()
                                    ? fmt::format("{}", file.longest())
                                    : fmt::format("{} to {}", file.shortest(), file.longest());
    std::string line = fmt::format("{} elements of {} bp from {}", size(), lengths, file.describe());
    if (has_vector()) {
        line += fmt::format(", in the vector {} ({} + {} bp)", state_->source.vector.string(),
                            state_->vector.left.size(), state_->vector.right.size());
    }
    if (!group_names().empty()) line += fmt::format(", {} groups", group_names().size());
    if (state_->source.bed.empty() && ambiguous_letters() > 0) {
        line += fmt::format(", {} IUPAC letters taken as N", ambiguous_letters());
    }
    return line;
}

float gc_share(std::string_view sequence) {
    auto const gc =
        std::ranges::count_if(sequence, [](char letter) { return letter == 'G' || letter == 'C'; });
    auto const at =
        std::ranges::count_if(sequence, [](char letter) { return letter == 'A' || letter == 'T'; });
    return gc + at > 0 ? static_cast<float>(gc) / static_cast<float>(gc + at)
                       : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace mpira::genome
