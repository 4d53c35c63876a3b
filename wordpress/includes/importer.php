<?php
/**
 * Tools → Import → Tally: the page on which the owner chooses what is imported. `assets/admin.js` asks for step
 * after step (import.php) and shows how far it has come.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const IMPORTER = 'tally-views';

add_action( 'admin_init', __NAMESPACE__ . '\add_importer' );

/**
 * Puts the importer into the list of importers.
 */
function add_importer() {
	require_once ABSPATH . 'wp-admin/includes/import.php';
	register_importer(
		IMPORTER,
		__( 'Tally', 'tally-views' ),
		__( 'Import post views counted by another plugin or by your theme.', 'tally-views' ),
		__NAMESPACE__ . '\print_importer'
	);
}

/**
 * Prints the page.
 */
function print_importer() {
	if ( ! is_owner() || ! current_user_can( 'import' ) ) {
		wp_die( esc_html__( 'Sorry, you are not allowed to import views.', 'tally-views' ) );
	}
	echo '<div class="wrap"><h1>' . esc_html__( 'Import views into Tally', 'tally-views' ) . '</h1>';
	if ( '' === worker() ) {
		print_notice( 'warning', __( 'Enter the address of your Worker first.', 'tally-views' ) );
		printf( '<p><a href="%s">%s</a></p>', esc_url( page_url() ), esc_html__( 'Settings', 'tally-views' ) );
	} else {
		wp_enqueue_script( 'tally-views-admin' );
		print_import_form();
	}
	echo '</div>';
}

/**
 * Prints the form.
 */
function print_import_form() {
	?>
	<p><?php esc_html_e( 'Sends existing view counts to your Worker. For each post, the Worker keeps the higher number, so importing twice changes nothing.', 'tally-views' ); ?></p>
	<form data-tally-import autocomplete="off">
		<table class="form-table" role="presentation">
			<tr>
				<th scope="row"><?php esc_html_e( 'Import from', 'tally-views' ); ?></th>
				<td><?php print_sources(); ?></td>
			</tr>
			<tr>
				<th scope="row"><label for="tally_views_token"><?php esc_html_e( 'ADMIN_TOKEN of the Worker', 'tally-views' ); ?></label></th>
				<td>
					<input type="password" class="regular-text" id="tally_views_token" autocomplete="off" spellcheck="false" required>
					<p class="description"><?php esc_html_e( 'Used for this import only, and not stored.', 'tally-views' ); ?></p>
				</td>
			</tr>
		</table>
		<p><button class="button button-primary" id="tally_views_import"><?php esc_html_e( 'Import', 'tally-views' ); ?></button>
		<progress max="1" value="0" hidden aria-label="<?php esc_attr_e( 'Import progress', 'tally-views' ); ?>"></progress></p>
		<div data-tally-outcome role="status"></div>
		<noscript><?php esc_html_e( 'The import needs JavaScript. You can also use WP-CLI: wp tally import', 'tally-views' ); ?></noscript>
	</form>
	<?php
}

/**
 * Prints the choice of the source.
 */
function print_sources() {
	$checked = true;
	$imports = broken_imports();
	echo '<fieldset><legend class="screen-reader-text">' . esc_html__( 'Import from', 'tally-views' ) . '</legend>';
	foreach ( find_sources() as $name => $source ) {
		$posts = $source['posts'];
		/* translators: %s: number of posts. */
		$text = sprintf( _n( '%s post', '%s posts', $posts, 'tally-views' ), number_format_i18n( $posts ) );
		if ( isset( $imports[ $name ] ) ) {
			/* translators: %s: number of posts. */
			$text .= '; ' . sprintf( __( 'continues after %s', 'tally-views' ), number_format_i18n( $imports[ $name ]['posts'] ) );
		}
		printf(
			'<label><input type="radio" name="source" value="%s" data-posts="%d"%s> %s (%s)</label><br>',
			esc_attr( $name ),
			(int) $posts,
			checked( $checked, true, false ),
			esc_html( $source['label'] ),
			esc_html( $text )
		);
		$checked = false;
	}
	printf( '<label>%s <input type="text" class="code" name="field"></label><br>', esc_html__( 'Another custom field:', 'tally-views' ) );
	printf( '<label>%s <input type="file" name="csv" accept=".csv,text/csv"></label>', esc_html__( 'CSV file, for example from Jetpack:', 'tally-views' ) );
	printf( '<p class="description">%s</p></fieldset>', esc_html__( 'Jetpack stores its numbers at WordPress.com. Open Stats → Posts & pages there, choose all time and download the CSV file. Each line needs an address or ID, and a number.', 'tally-views' ) );
}
