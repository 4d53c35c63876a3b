<?php
/**
 * Removes what the plugin has kept, on every site of a network. The counts are the Worker's.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/includes/settings.php';
require_once __DIR__ . '/includes/top.php';

if ( is_multisite() ) {
	$tally_views_sites = get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	);
	foreach ( $tally_views_sites as $tally_views_site ) {
		switch_to_blog( $tally_views_site );
		remove_everything();
		restore_current_blog();
	}
} else {
	remove_everything();
}

/**
 * Removes what the plugin has kept on a site.
 */
function remove_everything() {
	forget_top();
	delete_option( SETTINGS );
	delete_option( 'widget_tally_top' );
	$areas = get_option( 'sidebars_widgets', array() );
	foreach ( $areas as $area => $widgets ) {
		$areas[ $area ] = is_array( $widgets ) ? array_values( preg_grep( '/^tally_top-\d+$/', $widgets, PREG_GREP_INVERT ) ) : $widgets;
	}
	update_option( 'sidebars_widgets', $areas );
}
