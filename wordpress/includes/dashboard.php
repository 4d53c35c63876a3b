<?php
/**
 * The widget "Views" on WordPress's own dashboard: the site's last seven days, the most viewed posts of
 * them, and the way to the Worker's dashboard. It shows what cron has fetched (refresh.php) and waits for
 * nothing.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

add_action( 'wp_dashboard_setup', __NAMESPACE__ . '\add_dashboard_widget' );

/**
 * Puts the widget onto the dashboard.
 */
function add_dashboard_widget() {
	if ( '' !== worker() && current_user_can( 'edit_others_posts' ) ) {
		wp_add_dashboard_widget( 'tally_views', __( 'Views', 'tally-views' ), __NAMESPACE__ . '\print_dashboard_widget' );
	}
}

/**
 * Prints the widget.
 */
function print_dashboard_widget() {
	$week = get_option( WEEK );
	if ( '' === prefix() && is_array( $week ) && $week['days'] ) {
		print_days( $week['days'] );
	}
	$items = top_items( top_options( array( 'limit' => 5 ) ), kept_top( 'week' )['views'] );
	if ( '' !== $items ) {
		printf( '<h3>%s</h3><ol class="tally-top">%s</ol>', esc_html__( 'Most viewed in the last 7 days', 'tally-views' ), $items ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped in top_item().
	}
	printf( '<p class="tally-views-status">%s</p>', esc_html( status_text() ) );
	printf( '<p><a href="%s">%s</a></p>', esc_url( worker() . '/dashboard' ), esc_html__( 'Open the dashboard', 'tally-views' ) );
}

/**
 * Prints a bar for each day, as a table that a screen reader can read.
 *
 * @param int[] $days The views by day.
 */
function print_days( $days ) {
	$most = max( 1, max( $days ) );
	printf( '<table class="tally-week"><caption class="screen-reader-text">%s</caption>', esc_html__( 'Views in the last 7 days', 'tally-views' ) );
	foreach ( $days as $day => $views ) {
		printf(
			'<tr><th scope="row">%1$s</th><td><span class="tally-bar" style="width:%2$d%%"></span> <span>%3$s</span></td></tr>',
			// The Worker's days are those of UTC.
			esc_html( wp_date( 'D j', strtotime( "$day 12:00 UTC" ), new \DateTimeZone( 'UTC' ) ) ),
			(int) round( 75 * $views / $most ),
			esc_html( number_format_i18n( $views ) )
		);
	}
	echo '</table><style>
	.tally-week { width: 100%; border-spacing: 0 4px; }
	.tally-week th { width: 4em; font-weight: 400; text-align: start; }
	.tally-week td { white-space: nowrap; }
	.tally-bar { display: inline-block; min-width: 1px; height: 1em; background: #2271b1; vertical-align: middle; }
	</style>';
}
