#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# The package's changelog: debian/changelog, with the lines of CHANGELOG.md's newest section in its newest entry.
#
# changelog.pl DEBIAN-CHANGELOG CHANGELOG.md >NEW
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Text::Wrap qw(wrap $columns $huge);

my ($changelog, $pages) = @ARGV;
die "usage: changelog.pl DEBIAN-CHANGELOG CHANGELOG.md\n" unless defined $pages;

sub slurp {
    my ($name) = @_;
    open(my $file, '<:encoding(UTF-8)', $name) or die "$name: $!\n";
    local $/;
    return scalar <$file>;
}

# Until the next section. A link's text is enough, and a code mark is none here.
my ($section) = slurp($pages) =~ /^## [^\n]+\n(.*?)(?=^## |\z)/ms or die "$pages: no section\n";
$section =~ s/\[([^\[\]]*)\]\([^()]*\)/$1/g;
$section =~ s/`//g;
my @lines = map { s/\s+/ /gr =~ s/^ | $//gr } split /^- /m, $section;
$columns = 79;
$huge = 'overflow';
my $text = join '', map { wrap('  * ', '    ', $_) . "\n" } grep { length } @lines;

my $entry = slurp($changelog);
$entry =~ s/\A([^\n]+\n\n).*?(\n -- )/$1$text$2/s or die "$changelog: no entry\n";
print $entry;
