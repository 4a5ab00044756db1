#!/usr/bin/perl
# dkim_peer.pl - Mail::DKIM as a program, beside dkim_peer.c.
#
# dkim_peer.pl sign DOMAIN SELECTOR KEY METHOD FILE...   KEY in PEM; METHOD relaxed/simple
# dkim_peer.pl verify RECORD FILE...
use strict;
use warnings;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS;

sub slurp {
    open(my $f, '<:raw', $_[0]) or die "$_[0]: $!";
    local $/;
    return scalar <$f>;
}

my $verb = shift;
if ($verb eq 'sign') {
    my ($domain, $selector, $key, $method, @files) = @ARGV;
    foreach my $file (@files) {
        my $signer = Mail::DKIM::Signer->new(
            Algorithm => 'rsa-sha256', Method => $method, Domain => $domain,
            Selector => $selector, KeyFile => $key);
        $signer->PRINT(slurp($file));
        $signer->CLOSE;
        print $signer->signature->as_string, "\r\n";
    }
} else {
    my ($record, @files) = @ARGV;
    my $text = slurp($record);
    no warnings 'redefine';
    *Mail::DKIM::DNS::query_async = sub {
        my ($host, $type, %how) = @_;
        my @parts = $text =~ /(.{1,255})/gs;
        my $rr = Net::DNS::RR->new(name => $host, type => 'TXT', txtdata => \@parts);
        return sub { $how{Callbacks}{Success}->($rr) };
    };
    foreach my $file (@files) {
        my $verifier = Mail::DKIM::Verifier->new;
        $verifier->PRINT(slurp($file));
        $verifier->CLOSE;
        print join('; ', map { $_->result_detail } $verifier->signatures), "\n";
    }
}
